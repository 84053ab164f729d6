// SPDX-License-Identifier: Apache-2.0

import { HtEventsBrowser } from '@ht-sdks/events-sdk-js-browser';
import connectBrowser from './analytics.mjs';

// The SDK itself adds /v1.
export default ({ url, mode }) => connectBrowser(HtEventsBrowser, 'Hightouch.io', url.replace('https://', ''), mode);
