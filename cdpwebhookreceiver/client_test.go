// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClientAddress(t *testing.T) {
	clients, err := newClientAddresses([]string{"10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "::ffff:172.16.0.0/108", "::ffff:192.0.2.9"})
	require.NoError(t, err)
	for name, test := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":            {"203.0.113.7:1234", nil, "203.0.113.7"},
		"untrusted peer":      {"203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7"},
		"trusted peer":        {"10.1.2.3:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"single address":      {"192.0.2.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"only that address":   {"192.0.2.2:1234", []string{"198.51.100.1"}, "192.0.2.2"},
		"IPv6":                {"[2001:db8::1]:1234", []string{"2001:4860::8888"}, "2001:4860::8888"},
		"IPv4 in IPv6":        {"[::ffff:10.1.2.3]:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"with a port":         {"10.1.2.3:1234", []string{"198.51.100.1:99"}, "198.51.100.1"},
		"brackets":            {"10.1.2.3:1234", []string{"[2001:4860::8888]"}, "2001:4860::8888"},
		"network in IPv6":     {"172.17.1.2:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"address in IPv6":     {"[::ffff:192.0.2.9]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"outside of it":       {"172.32.0.1:1234", []string{"198.51.100.1"}, "172.32.0.1"},
		"two proxies":         {"10.1.2.3:1234", []string{"198.51.100.1, 10.9.9.9"}, "198.51.100.1"},
		"invented":            {"10.1.2.3:1234", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		"invented in another": {"10.1.2.3:1234", []string{"1.1.1.1", "198.51.100.1, 10.9.9.9"}, "198.51.100.1"},
		"only proxies":        {"10.1.2.3:1234", []string{"10.8.8.8, 10.9.9.9"}, "10.8.8.8"},
		"nonsense":            {"10.1.2.3:1234", []string{"1.1.1.1, unknown"}, "10.1.2.3"},
		"empty":               {"10.1.2.3:1234", []string{""}, "10.1.2.3"},
		"Unix socket":         {"@", []string{"1.1.1.1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.forwarded}}
			assert.Equal(t, test.want, clients.of(req))
		})
	}
}
