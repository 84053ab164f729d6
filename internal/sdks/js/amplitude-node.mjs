// SPDX-License-Identifier: Apache-2.0

import * as amplitude from '@amplitude/analytics-node';

export default async ({ url, mode }) => {
  await amplitude.init('api-key', { serverUrl: `${url}/2/httpapi`, flushQueueSize: mode === 'single' ? 1 : 20 }).promise;
  const deviceId = crypto.randomUUID();
  let userId;
  const ids = () => ({ user_id: userId, device_id: deviceId });
  const flush = () => amplitude.flush().promise;
  return {
    deviceId,
    login: (id) => {
      userId = id;
      amplitude.identify(new amplitude.Identify().set('plan', 'free'), ids());
    },
    track: (event, properties) => amplitude.track(event, properties, ids()),
    settle: flush,
    close: flush,
  };
};
