// SPDX-License-Identifier: Apache-2.0

import { RudderAnalytics } from '@rudderstack/analytics-js/bundled';

export default async ({ url, mode }) => {
  const analytics = new RudderAnalytics();
  await new Promise((resolve) => {
    analytics.load('write-key', url, {
      getSourceConfig: () => ({
        source: { id: 'source', name: 'shop', writeKey: 'write-key', enabled: true, config: {}, destinations: [], workspaceId: 'workspace' },
      }),
      queueOptions: { batch: { enabled: mode === 'batch', maxItems: 4, flushInterval: 60_000 } },
      useBeacon: mode === 'beacon',
      onLoaded: resolve,
    });
  });
  return {
    deviceId: analytics.getAnonymousId(),
    login: (id) => analytics.identify(id, { plan: 'free' }),
    track: (event, properties) => { analytics.track(event, properties); },
    settle: () => new Promise((resolve) => { setTimeout(resolve, 500); }),
  };
};
