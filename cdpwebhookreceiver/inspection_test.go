// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/consumer/consumertest"

	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/inspectiontest"
)

func TestRequestsAreReportedToTheInspector(t *testing.T) {
	inspector := inspectiontest.New(true)
	r := startIn(t, "sources: {s: {path: /s}}", &consumertest.LogsSink{}, inspector)
	assert.Equal(t, http.StatusOK, r.post(t, "/s", `[{"event": "a"}, {"event": "b"}]`).status)
	assert.Equal(t, http.StatusBadRequest, r.post(t, "/s", `{`).status)
	assert.Equal(t, http.StatusNotFound, r.post(t, "/t", `{}`).status)
	assert.Equal(t, []inspection.Received{
		{Receiver: "cdp_webhook", Source: "s", Events: 2},
		{Receiver: "cdp_webhook", Source: "s", Reason: "invalid_json", Text: answers[invalidJSON].text},
		{Receiver: "cdp_webhook", Source: "none", Reason: "unknown_path", Text: answers[unknownPath].text},
	}, inspector.Requests())
}

func TestNothingIsReportedWhileNobodyLooks(t *testing.T) {
	inspector := inspectiontest.New(false)
	r := startIn(t, "sources: {s: {path: /s}}", &consumertest.LogsSink{}, inspector)
	r.post(t, "/s", `{"event": "a"}`)
	r.post(t, "/s", `{`)
	assert.Empty(t, inspector.Requests())
}
