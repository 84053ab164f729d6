// SPDX-License-Identifier: Apache-2.0

import mParticle from '@mparticle/web-sdk';

export default async ({ url, origin }) => {
  const hostAndPath = (address) => `${address.replace('https://', '')}/`;
  window.mParticle = mParticle;
  mParticle.config = {
    requestConfig: false,
    v3SecureServiceUrl: hostAndPath(`${url}/v3/JS`),
    identityUrl: hostAndPath(`${origin}/mparticle/v1`),
    flags: { eventsV3: '100', eventBatchingIntervalMillis: 60_000 },
  };
  await new Promise((resolve) => {
    mParticle.ready(resolve);
    mParticle.init('key', mParticle.config);
  });
  const upload = () => mParticle.upload();
  return {
    deviceId: mParticle.getDeviceId(),
    login: (id) => new Promise((resolve) => {
      mParticle.Identity.login({ userIdentities: { customerid: id } }, resolve);
    }),
    // The SDK drops attributes that are objects.
    track: (event, properties) => {
      const attributes = Object.entries(properties).map(([name, value]) => (
        [name, typeof value === 'object' ? JSON.stringify(value) : value]
      ));
      mParticle.logEvent(event, mParticle.EventType.Other, Object.fromEntries(attributes));
    },
    settle: upload,
    close: upload,
  };
};
