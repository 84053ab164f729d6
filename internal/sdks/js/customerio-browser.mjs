// SPDX-License-Identifier: Apache-2.0

import { AnalyticsBrowser } from '@customerio/cdp-analytics-browser';
import connectBrowser from './analytics.mjs';

export default ({ url, mode }) => (
  connectBrowser(AnalyticsBrowser, 'Customer.io Data Pipelines', `${url.replace('https://', '')}/v1`, mode)
);
