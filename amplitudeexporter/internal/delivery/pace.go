// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import "time"

// A lane sends at most so many requests within pacePeriod without one that is accepted, whatever the answers are: one that
// makes no sense must not be asked for without end.
const (
	paceRequests = 3
	pacePeriod   = time.Second
)

// pace holds when a lane's last requests began that were not accepted, since one was.
type pace struct {
	begins [paceRequests]time.Time
	next   int
}

func (p *pace) note(begin time.Time) {
	p.begins[p.next] = begin
	p.next = (p.next + 1) % paceRequests
}

// wait returns how long the next request must wait.
func (p *pace) wait(now time.Time) time.Duration {
	oldest := p.begins[p.next]
	if oldest.IsZero() {
		return 0
	}
	return max(0, pacePeriod-now.Sub(oldest))
}
