// SPDX-License-Identifier: Apache-2.0

package deploycheck

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/amplitudetest"
	"github.com/impression-collector/impression-bridge/internal/collectortest"
)

// examples holds the example that each configuration in the manifests is a copy of. Kustomize reads no files outside of its
// own folder.
var examples = map[string]string{
	"otlp":                "bridge/production",
	"webhook":             "webhook/segment",
	"load-balanced/front": "bridge/load-balancing",
	"kafka":               "bridge/kafka-keyed",
}

func TestConfigurationsAreExamples(t *testing.T) {
	t.Parallel()
	copies, err := filepath.Glob(folder("overlays", "*", "collector.yaml"))
	require.NoError(t, err)
	nested, err := filepath.Glob(folder("overlays", "*", "*", "collector.yaml"))
	require.NoError(t, err)
	assert.Len(t, append(copies, nested...), len(examples))
	for overlay, example := range examples {
		want, err := os.ReadFile(examplePath(example))
		require.NoError(t, err)
		got, err := os.ReadFile(folder("overlays", filepath.FromSlash(overlay), "collector.yaml"))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), overlay)
	}
}

func examplePath(example string) string {
	return filepath.Join("..", "..", "examples", filepath.FromSlash(example), "collector.yaml")
}

// selected returns the only workload whose pods a selector selects.
func (m *manifest) selected(t *testing.T, selector *metav1.LabelSelector, what string) *workload {
	t.Helper()
	matcher, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err, what)
	var found []*workload
	for i := range m.workloads {
		if matcher.Matches(labels.Set(m.workloads[i].template.Labels)) {
			found = append(found, &m.workloads[i])
		}
	}
	require.Len(t, found, 1, what)
	return found[0]
}

// assertPort asserts that the workload's container has a port.
func (w *workload) assertPort(t *testing.T, port intstr.IntOrString, what string) {
	t.Helper()
	assert.True(t, slices.ContainsFunc(w.container(t).Ports, func(p corev1.ContainerPort) bool {
		return p.Name == port.StrVal && port.Type == intstr.String || p.ContainerPort == port.IntVal
	}), "%s: port %s of %s", what, port.String(), w.name)
}

func hasPort(service *corev1.Service, name string) bool {
	return slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == name })
}

// TestSelectors asserts that services, policies and budgets select the pods of one workload, by ports that it has.
func TestSelectors(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, _ string, m *manifest) {
		t.Helper()
		for i := range m.workloads {
			w := &m.workloads[i]
			assert.Same(t, w, m.selected(t, w.selector, w.name))
			assert.Contains(t, m.accounts, w.template.Spec.ServiceAccountName)
			if w.set != nil {
				require.Contains(t, m.services, w.set.Spec.ServiceName)
				assert.Equal(t, corev1.ClusterIPNone, m.services[w.set.Spec.ServiceName].Spec.ClusterIP)
			}
		}
		scraped := 0
		for name, service := range m.services {
			w := m.selected(t, &metav1.LabelSelector{MatchLabels: service.Spec.Selector}, name)
			for i := range service.Spec.Ports {
				w.assertPort(t, service.Spec.Ports[i].TargetPort, name)
			}
			for _, monitor := range m.monitors {
				matcher, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
				require.NoError(t, err)
				if matcher.Matches(labels.Set(service.Labels)) && hasPort(service, monitor.Spec.Endpoints[0].Port) {
					scraped++
				}
			}
		}
		assert.Len(t, m.workloads, scraped, "scraped once each")
		assert.Len(t, m.budgets, len(m.workloads))
		for _, budget := range m.budgets {
			m.selected(t, budget.Spec.Selector, budget.Name)
		}
		for _, policy := range m.policies {
			w := m.selected(t, &policy.Spec.PodSelector, policy.Name)
			for _, rule := range policy.Spec.Ingress {
				for _, port := range rule.Ports {
					w.assertPort(t, *port.Port, policy.Name)
				}
			}
		}
		for _, ingress := range m.ingresses {
			for _, path := range ingress.Spec.Rules[0].HTTP.Paths {
				require.Contains(t, m.services, path.Backend.Service.Name)
				assert.True(t, hasPort(m.services[path.Backend.Service.Name], path.Backend.Service.Port.Name), path.Path)
			}
		}
	})
}

// TestPodsAreRestricted asserts what the pod security standard "restricted" wants, and more. The namespace enforces it.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, _ string, m *manifest) {
		t.Helper()
		require.Len(t, m.namespaces, 1)
		assert.Equal(t, "restricted", m.namespaces[0].Labels["pod-security.kubernetes.io/enforce"])
		for i := range m.workloads {
			w := &m.workloads[i]
			container := w.container(t)
			assertRestricted(t, w.template.Spec.SecurityContext, container.SecurityContext)
			assertMemory(t, container.Resources, container.Env)
			assert.False(t, *w.template.Spec.AutomountServiceAccountToken)
			assert.NotNil(t, container.ReadinessProbe)
			assert.NotNil(t, container.LivenessProbe)
			for _, probe := range []*corev1.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
				if probe != nil {
					w.assertPort(t, probe.HTTPGet.Port, "probe")
				}
			}
			assert.Equal(t, "otelcol-impression:"+version(t), container.Image)
		}
	})
}

func assertRestricted(t *testing.T, pod *corev1.PodSecurityContext, container *corev1.SecurityContext) {
	t.Helper()
	assert.True(t, *pod.RunAsNonRoot)
	assert.NotZero(t, *pod.RunAsUser)
	assert.NotZero(t, *pod.FSGroup)
	assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SeccompProfile.Type)
	assert.False(t, *container.AllowPrivilegeEscalation)
	assert.True(t, *container.ReadOnlyRootFilesystem)
	assert.Equal(t, []corev1.Capability{"ALL"}, container.Capabilities.Drop)
}

// assertMemory asserts that GOMEMLIMIT is 70% of the memory limit, as the production bridge's README wants.
func assertMemory(t *testing.T, resources corev1.ResourceRequirements, env []corev1.EnvVar) {
	t.Helper()
	limit := resources.Limits.Memory()
	assert.Zero(t, limit.Cmp(*resources.Requests.Memory()), "memory that isn't requested may not be there")
	assert.Equal(t, fmt.Sprintf("%dMiB", limit.Value()*7/10>>20), valueOf(env, "GOMEMLIMIT"))
}

func valueOf(env []corev1.EnvVar, name string) string {
	for i := range env {
		if env[i].Name == name {
			return env[i].Value
		}
	}
	return ""
}

// TestVolumesAreThere asserts that each mount has its volume, and that what a configuration or a probe names is mounted.
func TestVolumesAreThere(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, _ string, m *manifest) {
		t.Helper()
		for i := range m.workloads {
			w := &m.workloads[i]
			volumes := map[string]bool{}
			for _, volume := range w.template.Spec.Volumes {
				volumes[volume.Name] = false
				if volume.ConfigMap != nil {
					assert.Contains(t, m.configs, volume.ConfigMap.Name)
				}
			}
			if w.set != nil {
				for i := range w.set.Spec.VolumeClaimTemplates {
					volumes[w.set.Spec.VolumeClaimTemplates[i].Name] = false
				}
			}
			container := w.container(t)
			for _, mount := range container.VolumeMounts {
				assert.Contains(t, volumes, mount.Name)
				volumes[mount.Name] = true
			}
			assert.NotContains(t, volumes, false, "volumes that aren't mounted")
			for _, variable := range container.Env {
				if strings.HasPrefix(variable.Value, "/") {
					assert.True(t, slices.ContainsFunc(container.VolumeMounts, func(mount corev1.VolumeMount) bool {
						return strings.HasPrefix(variable.Value, mount.MountPath+"/")
					}), variable.Name)
				}
			}
		}
	})
}

// configuration returns the configuration of a workload, from the ConfigMap that is mounted where --config says.
func (m *manifest) configuration(t *testing.T, w *workload) string {
	t.Helper()
	path, isConfig := strings.CutPrefix(w.container(t).Args[0], "--config=")
	require.True(t, isConfig)
	for _, volume := range w.template.Spec.Volumes {
		for _, mount := range w.container(t).VolumeMounts {
			if volume.ConfigMap != nil && mount.Name == volume.Name && mount.MountPath == filepath.Dir(path) {
				return m.configs[volume.ConfigMap.Name].Data[filepath.Base(path)]
			}
		}
	}
	require.Fail(t, "no configuration", w.name)
	return ""
}

// environmentVariable matches the use of a variable in a configuration, and its default.
var environmentVariable = regexp.MustCompile(`\$\{env:([A-Z0-9_]+)(:-[^}]*)?\}`)

// TestVariables asserts that a pod's variables are those that its configuration reads, and all that have no default.
func TestVariables(t *testing.T) {
	t.Parallel()
	eachOverlay(t, func(t *testing.T, _ string, m *manifest) {
		t.Helper()
		for i := range m.workloads {
			w := &m.workloads[i]
			assertVariables(t, m.configuration(t, w), w.container(t).Env)
		}
	})
}

func assertVariables(t *testing.T, config string, env []corev1.EnvVar) {
	t.Helper()
	set := map[string]bool{}
	for _, variable := range env {
		set[variable.Name] = true
	}
	read := map[string]bool{"GOMEMLIMIT": true}
	for _, use := range environmentVariable.FindAllStringSubmatch(config, -1) {
		read[use[1]] = true
		if use[2] == "" {
			assert.True(t, set[use[1]], "%s has no default", use[1])
		}
	}
	for name := range set {
		assert.True(t, read[name], "%s isn't read", name)
	}
}

// TestConfigurationsAreValid runs the command validate on each configuration, with the pod's variables.
func TestConfigurationsAreValid(t *testing.T) {
	for _, overlay := range overlays(t) {
		m := build(t, overlay)
		for i := range m.workloads {
			w := &m.workloads[i]
			t.Run(overlay+"/"+w.name, func(t *testing.T) {
				assertValid(t, m.configuration(t, w), w.container(t).Env, w.container(t).Args[1:]...)
			})
		}
	}
}

// assertValid runs the command validate with a pod's variables. Secrets have any value, and the pod's address is that of
// this machine.
func assertValid(t *testing.T, config string, env []corev1.EnvVar, args ...string) {
	t.Helper()
	for _, variable := range env {
		switch {
		case variable.ValueFrom == nil:
			t.Setenv(variable.Name, strings.ReplaceAll(variable.Value, "$(METRICS_HOST)", "127.0.0.1"))
		case variable.ValueFrom.FieldRef != nil && variable.ValueFrom.FieldRef.FieldPath == "status.podIP":
			t.Setenv(variable.Name, "127.0.0.1")
		default:
			t.Setenv(variable.Name, "any")
		}
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	printed, err := collectortest.Run(t.Context(), collectortest.Default, append([]string{"validate", "--config=" + path}, args...)...)
	require.NoError(t, err, printed)
}

// TestManifestRuns starts the collector with the configuration in the overlay otlp, and sends it an impression.
func TestManifestRuns(t *testing.T) {
	t.Parallel()
	m := build(t, "otlp")
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(m.configuration(t, &m.workloads[0])), 0o600))
	grpc, err := collectortest.FreeEndpoint(t.Context())
	require.NoError(t, err)
	server := amplitudetest.Start(t)
	c, err := collectortest.Start(t.Context(), collectortest.Default, path,
		"AMPLITUDE_API_KEY=any", "AMPLITUDE_ENDPOINT="+server.URL(amplitude.HTTPV2), "STORAGE="+t.TempDir(), "OTLP_GRPC_ENDPOINT="+grpc)
	require.NoError(t, err)
	response, err := c.Client.Post(c.OTLPURL, "application/json", strings.NewReader(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[
		{"eventName":"$impression","attributes":[{"key":"user.id","value":{"stringValue":"user-17"}},
		{"key":"flag_key","value":{"stringValue":"checkout"}},{"key":"variant","value":{"stringValue":"on"}}]}]}]}]}`))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 200, response.StatusCode)
	require.NoError(t, c.WaitForCounts(t.Context(), server, func(counts amplitudetest.Counts) bool { return counts.Ingested == 2 }))
	require.NoError(t, c.Stop())
}
