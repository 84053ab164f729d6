// SPDX-License-Identifier: Apache-2.0

package transport // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/transport"

import (
	"bytes"
	"io"
	"log" //nolint:depguard // net/http uses it
	"sync"
)

// net/http logs this with the bytes of an answer that nobody asked for. It uses the standard logger, and has no setting for it.
const (
	unsolicited = "Unsolicited response received on idle HTTP channel"
	// quoted is where the bytes begin.
	quoted = " starting with "
)

var hiding sync.Mutex

// hideUnsolicited makes the standard logger leave those bytes out. All other lines stay as they are.
func hideUnsolicited() {
	hiding.Lock()
	defer hiding.Unlock()
	if _, hides := log.Writer().(*hidingWriter); !hides {
		log.SetOutput(&hidingWriter{to: log.Writer()})
	}
}

// hidingWriter is an output of the standard logger, which writes a line at a time.
type hidingWriter struct {
	to io.Writer
}

func (w *hidingWriter) Write(line []byte) (int, error) {
	shown := line
	if before, _, found := bytes.Cut(line, []byte(unsolicited+quoted)); found {
		shown = append(bytes.Clone(before), unsolicited+"\n"...)
	}
	if _, err := w.to.Write(shown); err != nil {
		return 0, err
	}
	return len(line), nil
}
