// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
)

// identifyCall returns an identify call with a plan, numbered by its message id.
func identifyCall(user, plan string, id int) string {
	return fmt.Sprintf(`{"type":"identify","userId":%q,"messageId":"%d","timestamp":%d,"traits":{"plan":%q}}`, user, id, 1795428000000+id, plan)
}

func skipUnchanged(c *Config) { c.Calls.Identify.SkipUnchanged = true }

// sentIDs returns the insert ids of the events that Amplitude has.
func sentIDs(server *amplitudetest.Server) []string {
	var ids []string
	for _, e := range server.Events() {
		ids = append(ids, e.InsertID)
	}
	return ids
}

func TestUnchangedIdentifiesAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		p := startHandled(t, componenttest.NewNopHost(), server, skipUnchanged)
		p.pushAll(t, logsOf(identifyCall("user-1", "free", 1), identifyCall("user-1", "free", 2), identifyCall("user-2", "free", 3), identifyCall("user-1", "pro", 4)))
		p.pushAll(t, logsOf(identifyCall("user-1", "pro", 5), identifyCall("user-1", "free", 6), identifyCall("user-1", "pro", 7)))
		time.Sleep(time.Hour - time.Second)
		p.pushAll(t, logsOf(identifyCall("user-1", "pro", 8)))
		time.Sleep(time.Second)
		p.pushAll(t, logsOf(identifyCall("user-1", "pro", 9), `{"type":"identify","userId":"user-1","anonymousId":"device-1","messageId":"10","traits":{"plan":"pro"}}`))
		assert.ElementsMatch(t, []string{"1", "3", "4", "6", "7", "9", "10"}, sentIDs(server))
		p.assertEvents(t, point(7, "outcome", "delivered", "reason", "none"), point(3, "outcome", "dropped", "reason", "unchanged"))
		p.stop(t)
	})
}

// TestAnIdentifyIsNotLeftOutForOneThatIsNotDelivered: what Amplitude has must be the last call in the end.
func TestAnIdentifyIsNotLeftOutForOneThatIsNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := amplitudetest.New()
		p := startHandled(t, componenttest.NewNopHost(), server, skipUnchanged)
		p.pushAll(t, logsOf(identifyCall("user-1", "free", 1)))
		server.Restrict(amplitudetest.ThrottledUser, 1, "user-1")
		p.pushAll(t, logsOf(identifyCall("user-1", "pro", 2)))
		p.pushAll(t, logsOf(identifyCall("user-1", "free", 3)))
		time.Sleep(time.Hour)
		assert.Equal(t, []string{"1", "2", "3"}, sentIDs(server))
		assert.Equal(t, "free", server.User("user-1").Properties["plan"])
		p.stop(t)
	})
}

// TestWhereAUserCameFromMakesNoIdentifyNew, because later events say it too.
func TestWhereAUserCameFromMakesNoIdentifyNew(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), skipUnchanged)
	from := func(call, referrer string) string {
		return strings.Replace(call, `{`, `{"context":{"page":{"referrer":"`+referrer+`"}},`, 1)
	}
	require.NoError(t, p.push(t.Context(), logsOf(
		from(identifyCall("user-1", "free", 1), "a"), from(`{"type":"track","event":"e","userId":"user-1","messageId":"2"}`, "b"),
		from(identifyCall("user-1", "free", 3), "b"), from(identifyCall("user-1", "pro", 4), "b"))))
	assert.Equal(t, []string{"1", "2", "4"}, sentIDs(p.server))
	assert.Equal(t, map[string]any{"plan": "pro", "referrer": "b", "initial_referrer": "a"}, p.server.User("user-1").Properties)
}

// TestTraitsOfAnotherCallMakeAnIdentifyNew, because they may have changed the same property.
func TestTraitsOfAnotherCallMakeAnIdentifyNew(t *testing.T) {
	p := start(t, componenttest.NewNopHost(), func(c *Config) {
		skipUnchanged(c)
		c.Calls.Traits = TraitsFromEveryCall
	})
	page := `{"type":"page","userId":"user-1","messageId":"2","context":{"traits":{"plan":"pro"}}}`
	require.NoError(t, p.push(t.Context(), logsOf(identifyCall("user-1", "free", 1), page, identifyCall("user-1", "free", 3))))
	require.NoError(t, p.push(t.Context(), logsOf(identifyCall("user-1", "free", 4), page, identifyCall("user-1", "free", 5))))
	assert.Equal(t, []string{"1", "2", "3", "5"}, sentIDs(p.server))
}
