package checks

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	storagev1client "k8s.io/client-go/kubernetes/typed/storage/v1"
)

type storageClass struct {
	name, provisioner string
	isDefault, waits  bool
}

func (c storageClass) object() Object {
	return Object{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass", Name: c.name}
}

type csiDriver struct{ name string }

type csiNode struct {
	name    string
	drivers []string
}

type claim struct {
	namespace, name, class string
	phase                  corev1.PersistentVolumeClaimPhase
	created                time.Time
}

func (c claim) object() Object {
	return Object{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: c.namespace, Name: c.name}
}

type volume struct {
	name, message, csiDriver string
	phase                    corev1.PersistentVolumePhase
}

func (v volume) object() Object {
	return Object{APIVersion: "v1", Kind: "PersistentVolume", Name: v.name}
}

type attachment struct{ name, node, volume, failure string }

func (a attachment) object() Object {
	return Object{APIVersion: "storage.k8s.io/v1", Kind: "VolumeAttachment", Name: a.name}
}

// The annotations that mark a default StorageClass: today's, and the one of Kubernetes 1.4 and 1.5
// that the API server still honours.
func defaultClassAnnotations() []string {
	return []string{
		"storageclass.kubernetes.io/is-default-class",
		"storageclass.beta.kubernetes.io/is-default-class",
	}
}

func (s *Snapshot) readStorage() {
	storage := func() storagev1client.StorageV1Interface { return s.source.Kubernetes.StorageV1() }
	s.storageClasses = add(s, "storage classes", toList("storageclasses.storage.k8s.io"), func(ctx context.Context) ([]storageClass, error) {
		return collect(ctx, storage().StorageClasses().List, func(page *storagev1.StorageClassList, sofar []storageClass) []storageClass {
			for i := range page.Items {
				sofar = append(sofar, storageClassOf(&page.Items[i]))
			}
			return sofar
		})
	})
	s.csiDrivers = add(s, "CSI drivers", toList("csidrivers.storage.k8s.io"), func(ctx context.Context) ([]csiDriver, error) {
		drivers := storagev1.SchemeGroupVersion.WithResource("csidrivers")
		return collect(ctx, s.source.Metadata.Resource(drivers).List, func(page *metav1.PartialObjectMetadataList, sofar []csiDriver) []csiDriver {
			for _, item := range page.Items {
				sofar = append(sofar, csiDriver{item.Name})
			}
			return sofar
		})
	})
	s.csiNodes = add(s, "the nodes' CSI drivers", toList("csinodes.storage.k8s.io"), func(ctx context.Context) ([]csiNode, error) {
		return collect(ctx, storage().CSINodes().List, func(page *storagev1.CSINodeList, sofar []csiNode) []csiNode {
			for _, item := range page.Items {
				kept := csiNode{name: item.Name}
				for _, d := range item.Spec.Drivers {
					kept.drivers = append(kept.drivers, d.Name)
				}
				sofar = append(sofar, kept)
			}
			return sofar
		})
	})
	s.claims = add(s, "persistent volume claims", toList("persistentvolumeclaims"), func(ctx context.Context) ([]claim, error) {
		return collect(ctx, s.source.Kubernetes.CoreV1().PersistentVolumeClaims("").List, func(page *corev1.PersistentVolumeClaimList, sofar []claim) []claim {
			for i := range page.Items {
				sofar = append(sofar, claimOf(&page.Items[i]))
			}
			return sofar
		})
	})
	s.volumes = add(s, "persistent volumes", toList("persistentvolumes"), func(ctx context.Context) ([]volume, error) {
		return collect(ctx, s.source.Kubernetes.CoreV1().PersistentVolumes().List, func(page *corev1.PersistentVolumeList, sofar []volume) []volume {
			for i := range page.Items {
				sofar = append(sofar, volumeOf(&page.Items[i]))
			}
			return sofar
		})
	})
	s.attachments = add(s, "volume attachments", toList("volumeattachments.storage.k8s.io"), func(ctx context.Context) ([]attachment, error) {
		return collect(ctx, storage().VolumeAttachments().List, func(page *storagev1.VolumeAttachmentList, sofar []attachment) []attachment {
			for i := range page.Items {
				sofar = append(sofar, attachmentOf(&page.Items[i]))
			}
			return sofar
		})
	})
}

func storageClassOf(c *storagev1.StorageClass) storageClass {
	kept := storageClass{
		name:        c.Name,
		provisioner: c.Provisioner,
		waits:       c.VolumeBindingMode != nil && *c.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer,
	}
	for _, annotation := range defaultClassAnnotations() {
		kept.isDefault = kept.isDefault || c.Annotations[annotation] == "true"
	}
	return kept
}

func claimOf(c *corev1.PersistentVolumeClaim) claim {
	kept := claim{namespace: c.Namespace, name: c.Name, phase: c.Status.Phase, created: c.CreationTimestamp.Time}
	if c.Spec.StorageClassName != nil {
		kept.class = *c.Spec.StorageClassName
	}
	return kept
}

func volumeOf(v *corev1.PersistentVolume) volume {
	kept := volume{name: v.Name, phase: v.Status.Phase, message: v.Status.Message}
	if v.Spec.CSI != nil {
		kept.csiDriver = v.Spec.CSI.Driver
	}
	return kept
}

func attachmentOf(a *storagev1.VolumeAttachment) attachment {
	kept := attachment{name: a.Name, node: a.Spec.NodeName}
	if a.Spec.Source.PersistentVolumeName != nil {
		kept.volume = *a.Spec.Source.PersistentVolumeName
	}
	for _, e := range []*storagev1.VolumeError{a.Status.AttachError, a.Status.DetachError} {
		if e != nil && kept.failure == "" {
			kept.failure = e.Message
		}
	}
	return kept
}
