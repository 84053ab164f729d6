// SPDX-License-Identifier: Apache-2.0

// Package amplitude knows Amplitude's two ingestion APIs, HTTP V2 and Batch: the limits of a request, the ids that are
// refused, the encoding of an event, and what an answer means for each event of a request. It does no I/O and reads no
// clock.
//
// It follows Amplitude's documentation:
//
//   - https://amplitude.com/docs/apis/analytics/http-v2
//   - https://amplitude.com/docs/apis/analytics/batch-event-upload
//   - https://amplitude.com/docs/apis/analytics/http-api-batching-retries
package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"
