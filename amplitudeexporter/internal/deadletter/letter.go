// SPDX-License-Identifier: Apache-2.0

package deadletter // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deadletter"

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"
)

// Letter is an event, or a log record without a readable event, that is never delivered. Either Event or Record is set.
type Letter struct {
	Time   time.Time
	Reason string
	// Status is the HTTP status of the answer that refused the event, 0 if it wasn't sent.
	Status int
	// Event is JSON in the form of Amplitude's API.
	Event []byte
	// Record is OTLP JSON of the record with its resource and scope.
	Record []byte
}

// redacted replaces the secret.
const redacted = "[REDACTED]"

// appendLine appends the letter as a line of JSON, without the secret.
func (l *Letter) appendLine(to []byte, secret string) []byte {
	start := len(to)
	to = append(to, `{"time":"`...)
	to = l.Time.UTC().AppendFormat(to, "2006-01-02T15:04:05.000Z")
	to = append(to, `","reason":`...)
	to = strconv.AppendQuote(to, l.Reason)
	if l.Status != 0 {
		to = append(to, `,"status":`...)
		to = strconv.AppendInt(to, int64(l.Status), 10)
	}
	if l.Event != nil {
		to = append(append(to, `,"event":`...), l.Event...)
	} else {
		to = append(append(to, `,"record":`...), l.Record...)
	}
	to = append(to, "}\n"...)
	if line := to[start:]; secret != "" && bytes.Contains(line, []byte(secret)) {
		to = append(to[:start], bytes.ReplaceAll(line, []byte(secret), []byte(redacted))...)
	}
	if line := to[start:]; !utf8.Valid(line) {
		// A record may have any bytes, but JSON is UTF-8.
		to = append(to[:start], bytes.ToValidUTF8(line, []byte("\uFFFD"))...)
	}
	return to
}
