// SPDX-License-Identifier: Apache-2.0

import { Analytics } from '@customerio/cdp-analytics-node';
import connectServer from './server.mjs';

export default ({ url, mode }) => {
  const { origin, pathname } = new URL(url);
  const analytics = new Analytics({
    writeKey: 'write-key', host: origin, path: `${pathname}/v1/batch`, maxEventsInBatch: mode === 'single' ? 1 : 15,
  });
  return connectServer(analytics, { close: () => analytics.closeAndFlush() });
};
