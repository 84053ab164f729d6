// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddresses finds the addresses of clients.
type clientAddresses struct {
	// trusted has the networks of proxies whose X-Forwarded-For is believed.
	trusted []netip.Prefix
}

func newClientAddresses(trusted []string) (clientAddresses, error) {
	var c clientAddresses
	for _, text := range trusted {
		network, err := parseNetwork(text)
		if err != nil {
			return clientAddresses{}, err
		}
		c.trusted = append(c.trusted, network)
	}
	return c, nil
}

// of returns the address of the client, or "" if it isn't known. It is the peer of the connection, or, if that is a trusted
// proxy, the last address in X-Forwarded-For that isn't one. What stands before that address may be invented.
func (c *clientAddresses) of(req *http.Request) string {
	client, known := parseAddress(req.RemoteAddr)
	switch {
	case !known:
		return ""
	case !c.isTrusted(client):
		return client.String()
	}
	hops := strings.Split(strings.Join(req.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !c.isTrusted(client) {
			break
		}
		forwarded, known := parseAddress(strings.TrimSpace(hop))
		if !known {
			break
		}
		client = forwarded
	}
	return client.String()
}

func (c *clientAddresses) isTrusted(address netip.Addr) bool {
	return slices.ContainsFunc(c.trusted, func(network netip.Prefix) bool { return network.Contains(address) })
}

// parseAddress parses an IP address, with or without a port.
func parseAddress(text string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return address.Unmap().WithZone(""), err == nil
}
