// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impressionprocessor/amplitudeexporter/internal/delivery"

import "sync"

// sizeLimit is the most bytes of a request: the API's limit, or less after a 413, for a proxy may have a limit of its own.
type sizeLimit struct {
	most int

	mutex    sync.Mutex
	now      int
	accepted int
}

func newSizeLimit(most int) *sizeLimit {
	return &sizeLimit{most: most, now: most}
}

func (l *sizeLimit) bytes() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.now
}

// refused halves the limit after a request of this size was too large. Lanes that find out at the same time halve it
// once, for their requests were as large.
func (l *sizeLimit) refused(size int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.now = min(l.now, size/2)
	l.accepted = 0
}

// growAfter is how many requests in a row are accepted before a larger one is tried.
const growAfter = 100

func (l *sizeLimit) acceptedOne() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.now == l.most {
		return
	}
	l.accepted++
	if l.accepted == growAfter {
		l.now = min(l.most, l.now+l.now/4)
		l.accepted = 0
	}
}
