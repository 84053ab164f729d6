// SPDX-License-Identifier: Apache-2.0

import Analytics from '@rudderstack/rudder-sdk-node';

export default ({ url, mode }) => {
  const analytics = new Analytics('write-key', { dataPlaneUrl: url, path: '/v1/batch', flushAt: mode === 'single' ? 1 : 20 });
  const deviceId = crypto.randomUUID();
  let userId;
  return {
    deviceId,
    login: (id) => {
      userId = id;
      analytics.identify({ userId, anonymousId: deviceId, traits: { plan: 'free' } });
    },
    track: (event, properties) => analytics.track({ event, properties, userId, anonymousId: deviceId }),
    settle: () => analytics.flush(),
    close: () => analytics.flush(),
  };
};
