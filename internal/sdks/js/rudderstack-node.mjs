// SPDX-License-Identifier: Apache-2.0

import Analytics from '@rudderstack/rudder-sdk-node';
import connectServer from './server.mjs';

export default ({ url, mode }) => {
  const analytics = new Analytics('write-key', { dataPlaneUrl: url, path: '/v1/batch', flushAt: mode === 'single' ? 1 : 20 });
  const flush = () => analytics.flush();
  return connectServer(analytics, { settle: flush, close: flush });
};
