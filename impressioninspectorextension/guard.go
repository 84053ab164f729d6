// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// headers keep the page from loading anything from elsewhere, and other pages from using it.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-store",
}

// guard lets a request through only if it is for a host of the page, and comes from the page itself or from a program.
func (i *inspector) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		switch {
		case !i.isHost(r.Host):
			// A name that resolves to a loopback address may be an attacker's.
			http.Error(w, "This host isn't one of the inspector's. Add it to hosts in its configuration.", http.StatusMisdirectedRequest)
		case !isSameOrigin(r):
			http.Error(w, "The inspector is only for its own page and for programs.", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isHost reports whether a host, with a port or without, may be that of the page. Addresses may, because no name leads to them.
func (i *inspector) isHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if net.ParseIP(host) != nil || host == "localhost" {
		return true
	}
	isSame := func(name string) bool { return strings.EqualFold(name, host) }
	return host != "" && (isSame(i.config.endpointHost()) || slices.ContainsFunc(i.config.Hosts, isSame))
}

// isSameOrigin reports whether a request comes from the page or from something that isn't a page. Links may lead to the page itself.
func isSameOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		from, err := url.Parse(origin)
		return err == nil && from.Host == r.Host
	}
	isLink := r.Method == http.MethodGet && r.URL.Path == "/"
	site := r.Header.Get("Sec-Fetch-Site")
	return isLink || site == "" || site == "same-origin" || site == "none"
}

// refuse answers a request that confighttp refuses.
func refuse(w http.ResponseWriter, _ *http.Request, message string, status int) {
	if status == http.StatusUnauthorized {
		// Browsers ask for a name and a password. The authenticator says what is wrong, but not how to do better.
		w.Header().Set("WWW-Authenticate", `Basic realm="impression inspector"`)
	}
	http.Error(w, message, status)
}
