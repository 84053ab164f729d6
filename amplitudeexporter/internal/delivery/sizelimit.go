// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import "sync"

// sizeLimit is how many bytes a request may have: the API's limit, or less after a 413, because a proxy may have a lower
// limit, which is found by bisection. It is shared by all workers.
type sizeLimit struct {
	max int

	mutex   sync.Mutex
	current int
	// accepted is the size of the largest request that was accepted, refused that of the smallest that was too large.
	accepted, refused int
	// acceptedInRow counts the requests accepted since one was too large. At patience, a larger one is tried.
	acceptedInRow, patience int
}

func newSizeLimit(maxBytes int) *sizeLimit {
	return &sizeLimit{max: maxBytes, current: maxBytes, refused: maxBytes + 1, patience: minPatience}
}

func (l *sizeLimit) bytes() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.current
}

// refuse halves the limit after a request of this size was too large, but keeps it at the largest size that was accepted.
// Workers that find out at the same time halve it once, because their requests had the same size.
func (l *sizeLimit) refuse(size int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.accepted >= size {
		// The proxy's limit was lowered.
		l.accepted = 0
	}
	l.refused = min(l.refused, size)
	l.current = min(l.current, max(l.accepted, size/2))
	l.acceptedInRow = 0
}

const (
	// The search ends when the difference between accepted and refused is less than this fraction.
	searchFraction = 16
	// Patience doubles with each try until a larger request is accepted, because few proxies change their limit.
	minPatience = 64
	maxPatience = minPatience << 8
)

// accept raises the limit after a request of this size was accepted, if the request was full because another event would
// have exceeded the limit: half way to the smallest size that was too large, or to the API's limit if there is no such size.
func (l *sizeLimit) accept(size int, isFull bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.current == l.max {
		return
	}
	if size > l.accepted+l.accepted/searchFraction {
		l.patience = minPatience
	}
	l.accepted = max(l.accepted, size)
	// An event that is larger than the limit is sent alone.
	l.current = max(l.current, size)
	if size >= l.refused {
		// The proxy's limit was raised.
		l.refused = min(l.max+1, 2*size)
	}
	l.acceptedInRow++
	if l.acceptedInRow == l.patience {
		l.acceptedInRow = 0
		l.patience = min(2*l.patience, maxPatience)
		l.refused = min(l.max+1, 2*l.refused)
	}
	switch {
	case !isFull:
	case l.refused > l.max:
		l.current = l.max
	case l.refused-l.current > l.refused/searchFraction:
		l.current = (l.current + l.refused) / 2
	}
}
