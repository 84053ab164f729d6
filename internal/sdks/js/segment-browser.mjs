// SPDX-License-Identifier: Apache-2.0

import { AnalyticsBrowser } from '@segment/analytics-next';
import connectBrowser from './analytics.mjs';

export default ({ url, mode }) => connectBrowser(AnalyticsBrowser, 'Segment.io', `${url.replace('https://', '')}/v1`, mode);
