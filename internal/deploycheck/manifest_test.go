// SPDX-License-Identifier: Apache-2.0

package deploycheck

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const namespace = "impression-bridge"

// folder returns a path below deploy/kubernetes.
func folder(elements ...string) string {
	return filepath.Join(append([]string{"..", "..", "deploy", "kubernetes"}, elements...)...)
}

// overlays returns the names of the overlays.
func overlays(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(folder("overlays", "*", "kustomization.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	return names
}

// eachOverlay runs a test for each overlay.
func eachOverlay(t *testing.T, test func(t *testing.T, name string, m *manifest)) {
	t.Helper()
	for _, name := range overlays(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name, build(t, name))
		})
	}
}

// manifest holds the objects of an overlay.
type manifest struct {
	workloads  []workload
	configs    map[string]*corev1.ConfigMap
	services   map[string]*corev1.Service
	policies   []*networkingv1.NetworkPolicy
	budgets    []*policyv1.PodDisruptionBudget
	monitors   []*monitoringv1.ServiceMonitor
	ingresses  []*networkingv1.Ingress
	namespaces []*corev1.Namespace
	accounts   map[string]*corev1.ServiceAccount
}

// workload is what a StatefulSet and a Deployment have in common.
type workload struct {
	name     string
	replicas int32
	selector *metav1.LabelSelector
	template corev1.PodTemplateSpec
	// set is nil for a Deployment.
	set *appsv1.StatefulSet
}

// container returns the only container of the workload's pods.
func (w *workload) container(t *testing.T) *corev1.Container {
	t.Helper()
	require.Len(t, w.template.Spec.Containers, 1, w.name)
	return &w.template.Spec.Containers[0]
}

// build builds an overlay as `kubectl apply -k` does, and decodes each object strictly: an unknown or repeated field is an
// error.
func build(t *testing.T, overlay string) *manifest {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, monitoringv1.AddToScheme,
	} {
		require.NoError(t, add(scheme))
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder("overlays", overlay))
	require.NoError(t, err)
	m := &manifest{configs: map[string]*corev1.ConfigMap{}, services: map[string]*corev1.Service{}, accounts: map[string]*corev1.ServiceAccount{}}
	for _, resource := range objects.Resources() {
		text, err := resource.AsYAML()
		require.NoError(t, err)
		object, _, err := decoder.Decode(text, nil, nil)
		require.NoError(t, err, "%s", text)
		m.add(t, object)
	}
	return m
}

func (m *manifest) add(t *testing.T, object runtime.Object) {
	t.Helper()
	if named, isNamed := object.(metav1.Object); isNamed {
		if _, isNamespace := object.(*corev1.Namespace); !isNamespace {
			require.Equal(t, namespace, named.GetNamespace(), named.GetName())
		}
	}
	switch o := object.(type) {
	case *appsv1.StatefulSet:
		m.workloads = append(m.workloads, workload{o.Name, *o.Spec.Replicas, o.Spec.Selector, o.Spec.Template, o})
	case *appsv1.Deployment:
		m.workloads = append(m.workloads, workload{o.Name, *o.Spec.Replicas, o.Spec.Selector, o.Spec.Template, nil})
	case *corev1.ConfigMap:
		m.configs[o.Name] = o
	case *corev1.Service:
		m.services[o.Name] = o
	case *corev1.ServiceAccount:
		m.accounts[o.Name] = o
	case *corev1.Namespace:
		m.namespaces = append(m.namespaces, o)
	case *networkingv1.NetworkPolicy:
		m.policies = append(m.policies, o)
	case *networkingv1.Ingress:
		m.ingresses = append(m.ingresses, o)
	case *policyv1.PodDisruptionBudget:
		m.budgets = append(m.budgets, o)
	case *monitoringv1.ServiceMonitor:
		m.monitors = append(m.monitors, o)
	default:
		require.Failf(t, "no test knows this kind", "%T", object)
	}
}

// version returns the version that the manifests name, and asserts that it is the one of builder-config.yaml in each file.
func version(t *testing.T) string {
	t.Helper()
	manifest := decode[struct {
		Dist struct {
			Version string `json:"version"`
		} `json:"dist"`
	}](t, filepath.Join("..", "..", "builder-config.yaml"), yaml.Unmarshal)
	want := manifest.Dist.Version
	require.NotEmpty(t, want)
	err := filepath.WalkDir(folder(), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, named := range imageVersion.FindAllStringSubmatch(string(text), -1) {
			assert.Equal(t, want, named[1], path)
		}
		return err
	})
	require.NoError(t, err)
	return want
}

// imageVersion matches a line with the image's version.
var imageVersion = regexp.MustCompile(`(?m)^ +(?:newTag: |tag: |image: otelcol-impression:)(.+)$`)
