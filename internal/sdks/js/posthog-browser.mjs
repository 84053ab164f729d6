// SPDX-License-Identifier: Apache-2.0

import posthog from 'posthog-js';

export default ({ url, mode }) => {
  posthog.init('phc_key', {
    api_host: url,
    request_batching: mode !== 'single',
    request_queue_config: { flush_interval_ms: mode === 'batch' ? 1000 : 5000 },
    // Nothing but the scenario's events, and nothing from PostHog's servers.
    autocapture: false,
    capture_pageview: false,
    capture_pageleave: false,
    advanced_disable_flags: true,
    disable_external_dependency_loading: true,
    // Headless browsers count as bots.
    opt_out_useragent_filter: true,
  });
  return {
    deviceId: posthog.get_property('$device_id'),
    login: (id) => posthog.identify(id, { plan: 'free' }),
    track: (event, properties) => { posthog.capture(event, properties); },
    // There is no other way to wait for a batch.
    close: () => new Promise((resolve) => { setTimeout(resolve, mode === 'batch' ? 2000 : 0); }),
  };
};
