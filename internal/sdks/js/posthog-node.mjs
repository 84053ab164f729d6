// SPDX-License-Identifier: Apache-2.0

import { PostHog } from 'posthog-node';

export default ({ url, mode }) => {
  const posthog = new PostHog('phc_key', { host: url, flushAt: mode === 'single' ? 1 : 20 });
  const deviceId = crypto.randomUUID();
  let distinctId = deviceId;
  return {
    deviceId,
    login: (id) => {
      distinctId = id;
      posthog.identify({ distinctId, properties: { $anon_distinct_id: deviceId, plan: 'free' } });
    },
    // The server's SDK knows no device, so the application gives it.
    track: (event, properties) => posthog.capture({ distinctId, event, properties: { ...properties, $device_id: deviceId } }),
    settle: () => posthog.flush(),
    close: () => posthog.shutdown(),
  };
};
