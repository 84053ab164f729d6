// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import "sync"

// sizeLimit is the most bytes of a request: the API's limit, or less after a 413, for a proxy may have a limit of its own,
// which it looks for by halves.
type sizeLimit struct {
	most int

	mutex sync.Mutex
	now   int
	// accepted is the largest request that was accepted, refused the smallest that was not.
	accepted, refused int
	// since counts the requests that were accepted since one was refused. After as many as patience a larger one is tried.
	since, patience int
}

func newSizeLimit(most int) *sizeLimit {
	return &sizeLimit{most: most, now: most, refused: most + 1, patience: leastPatience}
}

func (l *sizeLimit) bytes() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.now
}

// refuse halves the limit after a request of this size was too large, but not below what was accepted. Lanes that find out
// at the same time halve it once, for their requests were as large.
func (l *sizeLimit) refuse(size int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.accepted >= size {
		// It has become less.
		l.accepted = 0
	}
	l.refused = min(l.refused, size)
	l.now = min(l.now, max(l.accepted, size/2))
	l.since = 0
}

const (
	// A limit is found when what is refused is larger by less than a part of it.
	foundPart = 16
	// Patience doubles from try to try, until one is accepted: few proxies change their limit.
	leastPatience = 100
	mostPatience  = leastPatience << 7
)

// accept raises the limit half way to what was refused, or to the API's where nothing is, if the request used it up.
func (l *sizeLimit) accept(size int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.now == l.most {
		return
	}
	if size > l.accepted+l.accepted/foundPart {
		l.patience = leastPatience
	}
	l.accepted = max(l.accepted, size)
	l.since++
	if l.since == l.patience {
		l.since = 0
		l.patience = min(2*l.patience, mostPatience)
		l.refused = min(l.most+1, l.refused+l.refused/4)
	}
	switch {
	case size < l.now-l.now/foundPart:
	case l.refused > l.most:
		l.now = l.most
	case l.refused-l.now > l.refused/foundPart:
		l.now = (l.now + l.refused) / 2
	}
}
