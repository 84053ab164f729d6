// SPDX-License-Identifier: Apache-2.0

import { Experiment } from '@amplitude/experiment-js-client';

// run lets a user browse a shop in which experiments run, and returns the events that the SDK under test was told to track,
// in the form of Amplitude's HTTP V2 API. Amplitude's Experiment client decides on the variants and tracks the impressions.
//
// connect returns the SDK: {deviceId, login(userId), track(type, properties)}. SDKs that wait before they send also have close(),
// which makes them send what is left, and settle(), which makes them send an event in the mode "single". In the mode "beacon", neither
// is called: the user leaves the page.
export default async function run(connect, { origin, bridge, sdk: name, mode }) {
  seedRandom(`${name}/${mode}`);
  const told = [];
  const sdk = await connect({ url: `${bridge}/sdk`, bridge, origin, mode });
  let userId;
  const track = (type, properties) => {
    told.push({
      event_type: type, event_properties: properties, time: Date.now(), user_id: userId, device_id: sdk.deviceId,
    });
    sdk.track(type, properties);
  };
  // Some SDKs read the clock, or send, some time after they are called.
  const pause = () => new Promise((resolve) => { setTimeout(resolve, 20); });
  const settled = () => fetch(`${origin}/settled`);
  // Each step has a second of its own.
  const step = async (act) => {
    advanceClock(1000);
    await act();
    await pause();
    if (mode === 'single') {
      await sdk.settle?.();
      await settled();
    }
  };

  // Web Experiment configures its client like this.
  const experiment = Experiment.initialize('deployment-key', {
    flagsServerUrl: `${origin}/flags`, internalInstanceNameSuffix: 'web', fetchOnStart: false, pollOnStart: false,
  });
  experiment.addPlugin({
    type: 'integration',
    getUser: () => ({ user_id: userId, device_id: sdk.deviceId }),
    track: ({ eventType, eventProperties }) => {
      track(eventType, eventProperties);
      return true;
    },
  });
  await experiment.start({});

  await step(() => track('Product Viewed', { sku: 'sku-1', price: 19.99, inStock: true }));
  await step(() => experiment.variant('hero-image'));
  await step(() => {
    userId = `user-of-${name}-${mode}`;
    return sdk.login(userId);
  });
  await step(() => experiment.variant('checkout-button'));
  await step(() => track('Product Added', { sku: 'sku-1', quantity: 2 }));
  // The user no longer qualifies for the variant.
  await step(() => experiment.variant('hero-image'));
  await step(() => {
    experiment.setUser({ user_properties: { plan: 'premium' } });
    return experiment.variant('checkout-button');
  });
  await step(() => track('Order Completed', { total: 39.98, currency: 'EUR' }));

  // What is sent now happened a minute ago.
  advanceClock(60_000);
  if (mode !== 'beacon') {
    await sdk.close?.();
    await pause();
    await settled();
  }
  return told;
}
