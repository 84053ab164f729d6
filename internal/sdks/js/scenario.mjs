// SPDX-License-Identifier: Apache-2.0

import { Experiment } from '@amplitude/experiment-js-client';

// run lets a user browse a shop in which experiments run, and returns the events that the SDK under test was told to track,
// in the form of Amplitude's HTTP V2 API. Amplitude's Experiment client decides on the variants and tracks the impressions.
//
// connect returns the SDK: {deviceId, login(userId), track(type, properties), close()}. In the mode "single", each event is a request
// of its own. For SDKs that wait before they send it, there is also settle(), which makes them send.
export default async function run(connect, { origin, sdk: name, mode }) {
  seedRandom(`${name}/${mode}`);
  const told = [];
  const sdk = await connect({ url: `${origin}/sdk`, vendor: `${origin}/vendor`, mode });
  let userId;
  const track = (type, properties) => {
    told.push({
      event_type: type, event_properties: properties, time: Date.now(), user_id: userId, device_id: sdk.deviceId,
    });
    sdk.track(type, properties);
  };
  // Each step has a second of its own. Some SDKs read the clock some time after they are called.
  const step = async (act) => {
    advanceClock(1000);
    await act();
    await new Promise((resolve) => { setTimeout(resolve, 20); });
    if (mode === 'single') {
      await sdk.settle?.();
      await fetch(`${origin}/settled`);
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
  await sdk.close();
  return told;
}
