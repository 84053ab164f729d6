// SPDX-License-Identifier: Apache-2.0

import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { BatchLogRecordProcessor, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';

export default ({ bridge, mode }) => {
  const exporter = new OTLPLogExporter({ url: `${bridge}/v1/logs` });
  const processor = mode === 'single' ? new SimpleLogRecordProcessor({ exporter }) : new BatchLogRecordProcessor({ exporter });
  const provider = new LoggerProvider({ processors: [processor] });
  const logger = provider.getLogger('shop');
  const deviceId = crypto.randomUUID();
  let userId;
  return {
    deviceId,
    login: (id) => { userId = id; },
    // The application gives an event its id and identity.
    track: (eventName, properties) => logger.emit({
      eventName,
      timestamp: new Date(),
      observedTimestamp: new Date(),
      attributes: { ...properties, 'user.id': userId, 'device.id': deviceId, 'log.record.uid': crypto.randomUUID() },
    }),
    settle: () => provider.forceFlush(),
    close: () => provider.shutdown(),
  };
};
