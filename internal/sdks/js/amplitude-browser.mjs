// SPDX-License-Identifier: Apache-2.0

import * as amplitude from '@amplitude/analytics-browser';

export default async ({ url, mode }) => {
  await amplitude.init('api-key', {
    serverUrl: `${url}/2/httpapi`,
    flushQueueSize: mode === 'single' ? 1 : 100,
    flushIntervalMillis: 60_000,
    autocapture: false,
    remoteConfig: { fetchRemoteConfig: false },
  }).promise;
  // As Amplitude's documentation advises.
  window.addEventListener('pagehide', () => {
    amplitude.setTransport('beacon');
    amplitude.flush();
  });
  return {
    deviceId: amplitude.getDeviceId(),
    login: (id) => {
      amplitude.setUserId(id);
      amplitude.identify(new amplitude.Identify().set('plan', 'free'));
    },
    track: (event, properties) => { amplitude.track(event, properties); },
    close: () => amplitude.flush().promise,
  };
};
