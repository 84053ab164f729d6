// SPDX-License-Identifier: Apache-2.0

import { jitsuAnalytics } from '@jitsu/js';

export default ({ url }) => {
  const isServer = typeof window === 'undefined';
  const analytics = jitsuAnalytics({ host: url, writeKey: 'key:secret', s2s: isServer });
  analytics.setAnonymousId(crypto.randomUUID());
  let sent;
  return {
    deviceId: analytics.user().anonymousId,
    login: (id) => analytics.identify(id, { plan: 'free' }),
    track: (event, properties) => { sent = analytics.track(event, properties); },
    settle: () => sent,
  };
};
