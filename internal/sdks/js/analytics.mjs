// SPDX-License-Identifier: Apache-2.0

// connectBrowser connects Segment's SDK for browsers, or one that was made from it. integration is the name of the SDK's own
// destination, and apiHost the host and path that it sends to.
export default async (AnalyticsBrowser, integration, apiHost, mode) => {
  // The scenario makes eight calls.
  const config = { size: mode === 'batch' ? 4 : 100, timeout: 60_000 };
  const deliveryStrategy = mode === 'single' ? undefined : { strategy: 'batching', config };
  const [analytics] = await AnalyticsBrowser.load(
    { writeKey: 'write-key', cdnSettings: { integrations: { [integration]: { apiKey: 'write-key' } } } },
    { integrations: { [integration]: { apiHost, deliveryStrategy } } },
  );
  return {
    deviceId: analytics.user().anonymousId(),
    login: (id) => { analytics.identify(id, { plan: 'free' }); },
    track: (event, properties) => { analytics.track(event, properties); },
  };
};
