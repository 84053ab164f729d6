// SPDX-License-Identifier: Apache-2.0

// Segment's own code of its destination Webhooks (Actions), which Segment runs in its cloud. It isn't the package's entry.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { Destination } = require('@segment/actions-core');
const { default: webhook } = require('@segment/action-destinations/dist/destinations/webhook');

export default ({ url, mode }) => {
  const destination = new Destination(webhook);
  const settings = {
    sharedSecret: 'segment-secret',
    subscription: {
      subscribe: 'type = "track" or type = "identify"',
      partnerAction: 'send',
      mapping: {
        url: new URL('/segment', url).href,
        method: 'POST',
        headers: { Authorization: 'Bearer segment-authorization' },
        data: { '@path': '$.' },
      },
    },
  };
  const deviceId = crypto.randomUUID();
  const events = [];
  let userId = null;
  // The fields that Segment gives to each event.
  const add = (fields) => events.push({
    ...fields,
    anonymousId: deviceId,
    channel: 'server',
    context: { library: { name: '@segment/analytics-node', version: '3.1.0' } },
    integrations: {},
    messageId: crypto.randomUUID(),
    originalTimestamp: new Date().toISOString(),
    receivedAt: new Date(Date.now() + 500).toISOString(),
    sentAt: new Date().toISOString(),
    timestamp: new Date().toISOString(),
    userId,
  });
  const deliver = () => {
    const waiting = events.splice(0);
    if (waiting.length === 0) return undefined;
    return mode === 'batch' ? destination.onBatch(waiting, settings) : destination.onEvent(waiting[0], settings);
  };
  return {
    deviceId,
    login: (id) => {
      userId = id;
      add({ type: 'identify', traits: { plan: 'free' } });
    },
    track: (event, properties) => add({ type: 'track', event, properties }),
    settle: deliver,
    close: deliver,
  };
};
