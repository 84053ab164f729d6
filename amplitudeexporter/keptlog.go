// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// droppingData begins the message that exporterhelper logs about events that leave its queue undelivered. It also logs it
	// when it stops, about events that stay in a stored queue. Their error begins with interrupted.
	droppingData = "Exporting failed. Dropping data."
	interrupted  = "interrupted due to shutdown: "
)

// keptLog corrects this message if the events stay in the queue.
type keptLog struct {
	zapcore.Core
}

// With implements zapcore.Core.
func (c keptLog) With(fields []zapcore.Field) zapcore.Core {
	return keptLog{c.Core.With(fields)}
}

// Check implements zapcore.Core.
func (c keptLog) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if strings.HasPrefix(entry.Message, droppingData) {
		return checked.AddCore(entry, c)
	}
	return c.Core.Check(entry, checked)
}

// Write implements zapcore.Core. It gets only this message.
func (c keptLog) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	for _, field := range fields {
		err, isError := field.Interface.(error)
		if !isError {
			continue
		}
		if reason, stopping := strings.CutPrefix(err.Error(), interrupted); stopping {
			entry.Level, entry.Stack = zapcore.InfoLevel, ""
			entry.Message = "Stopping: undelivered events stay in the queue, and are sent after the next start."
			fields = []zapcore.Field{zap.String("error", reason)}
			break
		}
	}
	if checked := c.Core.Check(entry, nil); checked != nil {
		checked.Write(fields...)
	}
	return nil
}
