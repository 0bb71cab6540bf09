// The API server's own defaulting and validation of built-in kinds, as far as manifests of this project's users meet it
// (spec/kubernetes.md, section 8; k8s.io/kubernetes pkg/apis/{core,apps}/{v1/defaults,validation}).
#pragma once

#include "sim/cluster/store.h"

#include <string>
#include <vector>

namespace rdmalab::cluster {

// - namespaced objects need an existing namespace that is not terminating
// - Pods: defaults (restartPolicy, grace period, tolerations of not-ready and unreachable nodes, limits as requests, QoS class,
//   canonical quantities), names, images, mounts, resource rules, what an update may change
// - DaemonSet, Deployment, ReplicaSet, StatefulSet, Job: defaults, selector against template labels, their pod template
void installCoreAdmission(Store& store);

// The rules about one container's resources; `path` is that of the `resources` field.
struct FieldError;
std::vector<FieldError> resourceProblems(const Json& resources, const std::string& path);

// Whether this is an extended resource: "domain/name" outside kubernetes.io.
bool isExtendedResource(const std::string& name);

// Static findings about a built-in object after defaulting, for a linter; empty for kinds without rules here.
std::vector<FieldError> coreProblems(Json object);

} // namespace rdmalab::cluster
