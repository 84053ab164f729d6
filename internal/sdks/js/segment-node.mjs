// SPDX-License-Identifier: Apache-2.0

import { Analytics } from '@segment/analytics-node';

export default ({ url, mode }) => {
  const { origin, pathname } = new URL(url);
  const analytics = new Analytics({
    writeKey: 'write-key', host: origin, path: `${pathname}/v1/batch`, maxEventsInBatch: mode === 'single' ? 1 : 15,
  });
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
    close: () => analytics.closeAndFlush(),
  };
};
