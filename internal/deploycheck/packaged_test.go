// SPDX-License-Identifier: Apache-2.0

package deploycheck

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// values has the fields of the chart opentelemetry-collector that our values use, as its templates and its
// values.schema.json name them. The chart isn't a Go module, so that the test can't render it.
type values struct {
	Mode             string `json:"mode"`
	FullnameOverride string `json:"fullnameOverride"`
	Image            struct {
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
	} `json:"image"`
	Command struct {
		Name      string   `json:"name"`
		ExtraArgs []string `json:"extraArgs"`
	} `json:"command"`
	ReplicaCount int32 `json:"replicaCount"`
	StatefulSet  struct {
		PodManagementPolicy                  appsv1.PodManagementPolicyType `json:"podManagementPolicy"`
		PersistentVolumeClaimRetentionPolicy struct {
			Enabled bool `json:"enabled"`
			appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy
		} `json:"persistentVolumeClaimRetentionPolicy"`
		VolumeClaimTemplates []corev1.PersistentVolumeClaim `json:"volumeClaimTemplates"`
	} `json:"statefulset"`
	Resources          corev1.ResourceRequirements `json:"resources"`
	UseGOMEMLIMIT      bool                        `json:"useGOMEMLIMIT"`
	PodSecurityContext corev1.PodSecurityContext   `json:"podSecurityContext"`
	SecurityContext    corev1.SecurityContext      `json:"securityContext"`
	ExtraEnvs          []corev1.EnvVar             `json:"extraEnvs"`
	ExtraVolumeMounts  []corev1.VolumeMount        `json:"extraVolumeMounts"`
	ExtraVolumes       []corev1.Volume             `json:"extraVolumes"`
	Ports              map[string]struct {
		Enabled bool `json:"enabled"`
	} `json:"ports"`
	PodDisruptionBudget struct {
		Enabled        bool               `json:"enabled"`
		MaxUnavailable intstr.IntOrString `json:"maxUnavailable"`
	} `json:"podDisruptionBudget"`
	ServiceMonitor struct {
		Enabled bool `json:"enabled"`
	} `json:"serviceMonitor"`
	AlternateConfig map[string]any `json:"alternateConfig"`
}

func TestHelmValues(t *testing.T) {
	v := decode[values](t, folder("helm", "values.yaml"), yaml.UnmarshalStrict)
	assertRestricted(t, &v.PodSecurityContext, &v.SecurityContext)
	assertMemory(t, v.Resources, v.ExtraEnvs)
	assert.Equal(t, version(t), v.Image.Tag)
	assertMounted(t, v.ExtraVolumeMounts, v.ExtraVolumes, v.StatefulSet.VolumeClaimTemplates)
	// The chart sets it.
	podIP := corev1.EnvVar{Name: "MY_POD_IP", Value: "127.0.0.1"}
	assertProduction(t, v.AlternateConfig, append(v.ExtraEnvs, podIP), "MY_POD_IP", v.Command.ExtraArgs...)
}

// collectorResource has the fields of the operator's OpenTelemetryCollector, version v1beta1, that we use. The operator's
// module isn't served to every build, so they are repeated from its apis/v1beta1.
type collectorResource struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Mode                                 string                                                 `json:"mode"`
		Image                                string                                                 `json:"image"`
		UpgradeStrategy                      string                                                 `json:"upgradeStrategy"`
		Replicas                             int32                                                  `json:"replicas"`
		Args                                 map[string]string                                      `json:"args"`
		VolumeClaimTemplates                 []corev1.PersistentVolumeClaim                         `json:"volumeClaimTemplates"`
		PersistentVolumeClaimRetentionPolicy appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy `json:"persistentVolumeClaimRetentionPolicy"`
		PodDisruptionBudget                  struct {
			MaxUnavailable intstr.IntOrString `json:"maxUnavailable"`
		} `json:"podDisruptionBudget"`
		TerminationGracePeriodSeconds int64                       `json:"terminationGracePeriodSeconds"`
		Resources                     corev1.ResourceRequirements `json:"resources"`
		PodSecurityContext            corev1.PodSecurityContext   `json:"podSecurityContext"`
		SecurityContext               corev1.SecurityContext      `json:"securityContext"`
		Env                           []corev1.EnvVar             `json:"env"`
		VolumeMounts                  []corev1.VolumeMount        `json:"volumeMounts"`
		Volumes                       []corev1.Volume             `json:"volumes"`
		Config                        map[string]any              `json:"config"`
	} `json:"spec"`
}

func TestOperatorResource(t *testing.T) {
	resource := decode[collectorResource](t, folder("operator", "opentelemetrycollector.yaml"), yaml.UnmarshalStrict)
	spec := &resource.Spec
	assert.Equal(t, "opentelemetry.io/v1beta1/OpenTelemetryCollector", resource.APIVersion+"/"+resource.Kind)
	assertRestricted(t, &spec.PodSecurityContext, &spec.SecurityContext)
	assertMemory(t, spec.Resources, spec.Env)
	assert.Equal(t, "otelcol-impression:"+version(t), spec.Image)
	assertMounted(t, spec.VolumeMounts, spec.Volumes, spec.VolumeClaimTemplates)
	var args []string
	for name, value := range spec.Args {
		args = append(args, "--"+name+"="+value)
	}
	assertProduction(t, spec.Config, spec.Env, "POD_IP", args...)
}

// decode decodes a file with a function of the package yaml.
func decode[T any](t *testing.T, path string, unmarshal func(text []byte, value any, options ...yaml.JSONOpt) error) *T {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var value T
	require.NoError(t, unmarshal(text, &value))
	return &value
}

func assertMounted(t *testing.T, mounts []corev1.VolumeMount, volumes []corev1.Volume, claims []corev1.PersistentVolumeClaim) {
	t.Helper()
	var mounted, given []string
	for _, mount := range mounts {
		mounted = append(mounted, mount.Name)
	}
	for i := range volumes {
		given = append(given, volumes[i].Name)
	}
	for i := range claims {
		given = append(given, claims[i].Name)
	}
	assert.ElementsMatch(t, mounted, given)
}

// assertProduction asserts that a configuration is valid and equals examples/bridge/production, except that endpoints are
// fixed, because the chart and the operator give the container its ports, and the operator reads them from here.
func assertProduction(t *testing.T, config map[string]any, env []corev1.EnvVar, podIP string, args ...string) {
	t.Helper()
	text, err := os.ReadFile(examplePath("bridge/production"))
	require.NoError(t, err)
	var want map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(strings.NewReplacer(
		"${env:OTLP_ENDPOINT:-0.0.0.0:4318}", "0.0.0.0:4318",
		"${env:OTLP_GRPC_ENDPOINT:-0.0.0.0:4317}", "0.0.0.0:4317",
		"${env:HEALTH_ENDPOINT:-127.0.0.1:13133}", "${env:"+podIP+"}:13133",
		"${env:METRICS_HOST:-127.0.0.1}", "${env:"+podIP+"}",
		"${env:METRICS_PORT:-8888}", "8888",
	).Replace(string(text))), &want))
	assert.Equal(t, want, config)
	got, err := yaml.Marshal(config)
	require.NoError(t, err)
	assertVariables(t, string(got), env)
	assertValid(t, string(got), env, args...)
}
