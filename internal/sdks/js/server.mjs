// SPDX-License-Identifier: Apache-2.0

// connectServer connects an SDK for servers with Segment's calls. Such SDKs know no current user.
export default (analytics, { settle, close }) => {
  const deviceId = crypto.randomUUID();
  let userId;
  return {
    deviceId,
    login: (id) => {
      userId = id;
      analytics.identify({ userId, anonymousId: deviceId, traits: { plan: 'free' } });
    },
    track: (event, properties) => analytics.track({ event, properties, userId, anonymousId: deviceId }),
    settle,
    close,
  };
};
