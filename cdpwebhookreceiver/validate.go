// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
	"golang.org/x/net/http/httpguts"
)

// Validate reports every error in the receiver's own keys at once, each with its key, its value unless it is a secret, and
// what is allowed. The configuration types that it shares with other receivers, such as that of tls, validate themselves.
func (c *Config) Validate() error {
	errs := []error{
		errorIf(c.MaxWait <= 0, "max_wait: %s would refuse every request; allowed: more than 0", c.MaxWait),
		errorIf(c.ServerConfig.WriteTimeout > 0 && c.ServerConfig.WriteTimeout <= c.MaxWait,
			"write_timeout: %s would cut off the answer after max_wait, %s; allowed: more than max_wait, or 0 for no limit",
			c.ServerConfig.WriteTimeout, c.MaxWait),
		errorIf(c.MaxConcurrentRequests < 1 || c.MaxConcurrentRequests > 100_000,
			"max_concurrent_requests: %d; allowed: 1 to 100000", c.MaxConcurrentRequests),
		errorIf(len(c.Sources) == 0, "sources: none; give at least one, such as segment: {path: /segment}"),
	}
	for i, text := range c.TrustedProxies {
		_, err := parseNetwork(text)
		errs = append(errs, errorIf(err != nil, "trusted_proxies[%d]: %q isn't a network; give an address or a CIDR, such as 10.0.0.0/8", i, text))
	}
	for i, name := range c.ServerConfig.CompressionAlgorithms {
		errs = append(errs, choiceFault(fmt.Sprintf("compression_algorithms[%d]", i), name, encodingNames()...))
	}
	names := slices.Sorted(maps.Keys(c.Sources))
	for _, name := range names {
		source := c.Sources[name]
		errs = append(errs, errorIf(name == "" || name == noSource, "sources: a source can't be named %q; give it another name", name))
		for _, err := range source.faults() {
			errs = append(errs, fmt.Errorf("sources.%s.%w", name, err))
		}
	}
	return errors.Join(append(append(errs, c.overlaps(names)...), c.validateHeaderAttributes()...)...)
}

func errorIf(condition bool, format string, args ...any) error {
	if !condition {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// parseNetwork parses a CIDR or an address, which is a network of its own. IPv4 that is written as IPv6 becomes IPv4, as the
// addresses of clients do.
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	address, bits := network.Addr(), network.Bits()
	if address.Is4In6() {
		bits -= address.BitLen() - address.Unmap().BitLen()
	}
	return address.Unmap().Prefix(bits)
}

// overlaps returns an error for each pair of sources of which one has the path of the other, or a path below it.
func (c *Config) overlaps(names []string) []error {
	var errs []error
	for i, name := range names {
		for _, other := range names[i+1:] {
			a, b := c.Sources[name].Path, c.Sources[other].Path
			errs = append(errs, errorIf(a != "" && b != "" && (isBelow(a, b) || isBelow(b, a)),
				"sources.%s.path: %q overlaps with %q of %s; give paths of which none is below the other", name, a, b, other))
		}
	}
	return errs
}

// validateHeaderAttributes refuses headers that hold secrets.
func (c *Config) validateHeaderAttributes() []error {
	secret := []string{"Authorization", "Proxy-Authorization", "Cookie"}
	for _, source := range c.Sources {
		if source.Header.HasValue() {
			secret = append(secret, source.Header.Get().Name)
		}
	}
	var errs []error
	for i, name := range c.HeaderAttributes {
		isSecret := slices.ContainsFunc(secret, func(s string) bool { return strings.EqualFold(s, name) })
		errs = append(errs,
			headerFault(fmt.Sprintf("header_attributes[%d]", i), name),
			errorIf(isSecret, "header_attributes[%d]: %q holds a secret, which would be in every record; remove it", i, name))
	}
	return errs
}

func headerFault(key, name string) error {
	return errorIf(!httpguts.ValidHeaderFieldName(name), "%s: %q isn't the name of a header; give one, such as X-Signature", key, name)
}

// faults returns the errors in a source, each with the rest of its key.
func (s *SourceConfig) faults() []error {
	var errs []error
	switch {
	case s.Path == "":
		errs = append(errs, errors.New("path: missing; give the path of the URL, such as /segment"))
	case !strings.HasPrefix(s.Path, "/") || path.Clean(s.Path) != s.Path || strings.ContainsAny(s.Path, "?#%"):
		errs = append(errs, fmt.Errorf("path: %q isn't a plain path; give one that starts with / and doesn't end with it, such as /segment", s.Path))
	}
	if s.Signature.HasValue() {
		errs = append(errs, s.Signature.Get().faults()...)
	}
	if s.Header.HasValue() {
		header := s.Header.Get()
		errs = append(errs, headerFault("header.name", header.Name))
		errs = append(errs, secretFaults("header.values", header.Values)...)
		for i, value := range header.Values {
			text := string(value)
			errs = append(errs, errorIf(strings.TrimSpace(text) != "" && (strings.TrimSpace(text) != text || !httpguts.ValidHeaderFieldValue(text)),
				"header.values[%d]: isn't a valid header value; remove whitespace around it, such as a line break", i))
		}
	}
	if s.Auth.HasValue() {
		errs = append(errs, errorIf(s.Auth.Get().AuthenticatorID == component.ID{},
			"auth.authenticator: missing; give the name of an extension, such as basicauth"))
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func secretFaults(key string, secrets []configopaque.String) []error {
	errs := []error{errorIf(len(secrets) == 0, "%s: none; give at least one, such as ${env:WEBHOOK_SECRET}", key)}
	for i, secret := range secrets {
		errs = append(errs, errorIf(strings.TrimSpace(string(secret)) == "", "%s[%d]: empty; is the environment variable set?", key, i))
	}
	return errs
}

func (s *SignatureConfig) faults() []error {
	errs := secretFaults("signature.secrets", s.Secrets)
	if s.Preset != "" {
		_, known := signaturePresets[s.Preset]
		return append(errs,
			errorIf(!known, "signature.preset: %q is not known; allowed: %s", s.Preset,
				strings.Join(slices.Sorted(maps.Keys(signaturePresets)), ", ")),
			errorIf(s.isByHand(), "signature.preset: %q beside keys that it sets; give either the preset and secrets, or all keys by hand", s.Preset))
	}
	errs = append(errs,
		errorIf(s.Header == "", "signature.preset: missing; give a preset, or signature.header and the other keys by hand"),
		errorIf(s.Header != "" && !httpguts.ValidHeaderFieldName(s.Header), "signature.header: %q isn't the name of a header", s.Header),
		choiceFault("signature.algorithm", s.Algorithm, algorithmSHA1, algorithmSHA256),
		choiceFault("signature.encoding", s.Encoding, encodingHex, encodingBase64),
		choiceFault("signature.signs", s.Signs, signsBody, signsFirstElement, signsTimestampBody))
	if s.Signs == signsTimestampBody {
		return append(errs,
			headerFault("signature.timestamp_header", s.TimestampHeader),
			errorIf(s.Tolerance != nil && *s.Tolerance <= 0, "signature.tolerance: %s; allowed: more than 0", s.Tolerance))
	}
	return append(errs, errorIf(s.TimestampHeader != "" || s.Tolerance != nil,
		"signature.timestamp_header, signature.tolerance: without signature.signs: timestamp.body they have no effect; give all or none"))
}

func (s *SignatureConfig) isByHand() bool {
	return cmp.Or(s.Header, s.Prefix, s.Algorithm, s.Encoding, s.Signs, s.TimestampHeader) != "" || s.Tolerance != nil
}

func choiceFault(key, value string, allowed ...string) error {
	return errorIf(value != "" && !slices.Contains(allowed, value), "%s: %q is not known; allowed: %s", key, value, strings.Join(allowed, ", "))
}
