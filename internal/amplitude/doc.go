// SPDX-License-Identifier: Apache-2.0

// Package amplitude holds the facts of Amplitude's two ingestion APIs, HTTP V2 and Batch: what a request may hold, which
// ids are refused, how an event is written, and what an answer means for each event that was sent. It does no I/O and
// reads no clock.
//
// The facts are those of Amplitude's documentation:
//
//   - https://amplitude.com/docs/apis/analytics/http-v2
//   - https://amplitude.com/docs/apis/analytics/batch-event-upload
//   - https://amplitude.com/docs/apis/analytics/http-api-batching-retries
package amplitude // import "github.com/impression-collector/impression-bridge/internal/amplitude"
