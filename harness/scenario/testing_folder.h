// For tests: a folder with files in it that goes away again.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <stdlib.h>

namespace rdmalab::scenario {

class TestingFolder {
public:
    TestingFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "rdmalab-test-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr)
            throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    TestingFolder(const TestingFolder&) = delete;
    TestingFolder& operator=(const TestingFolder&) = delete;
    ~TestingFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const { return path_; }
    std::string write(const std::string& name, std::string_view text) const {
        const auto file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << text;
        return file.string();
    }

private:
    std::filesystem::path path_;
};

// The shared macvlan walkthrough, as a user would write it down.
inline constexpr std::string_view sharedScenario = R"(apiVersion: rdmalab.io/v1alpha1
kind: Scenario
metadata: {name: shared-macvlan, labels: {mode: shared, source: spiderpool-v0.8}}
spec:
  compat: {spiderpool: "0.8"}
  fabric: {switches: [{name: tor0}]}
  nodes:
    - names: [10-20-1-10, 10-20-1-11]
      addresses: [10.20.1.10/24, 10.20.1.11/24]
      capacity: {cpu: "40", memory: 263518036Ki, pods: "110"}
      rdma: {netns: shared}
      nics:
        - {model: ConnectX-5, pci: "0000:af:00.0", netdev: ens6f0np0, rdma: mlx5_0, switch: tor0}
        - {model: ConnectX-5, pci: "0000:af:00.1", netdev: ens6f1np1, rdma: mlx5_1, switch: tor0}
  helm:
    multus: {multusCNI: {defaultCniCRName: macvlan-ens6f0np0}}
    set:
      - rdma.rdmaSharedDevicePlugin.install=true
      - rdma.rdmaSharedDevicePlugin.deviceConfig.vendors="15b3"
  steps:
    - apply: {files: [manifests/network.yaml]}
    - name: start the pods
      apply:
        files: [manifests/daemonset.yaml]
        env:
          ANNOTATION_MULTUS: "v1.multus-cni.io/default-network: kube-system/macvlan-ens6f0np0"
          RESOURCE: spidernet.io/hca_shared_devices
          NAME: rdma-macvlan
    - wait: {pods: {app: rdma-macvlan}, condition: Ready, timeout: 1m30s}
    - assert:
        - {apiVersion: v1, kind: Node, metadata: {name: 10-20-1-10},
           status: {allocatable: {spidernet.io/hca_shared_devices: "500"}}}
        - absent: {kind: Event, reason: FailedCreatePodSandBox}
        - {count: 2, of: {kind: Pod, metadata: {labels: {app: rdma-macvlan}}}}
    - probe:
        - {pods: {app: rdma-macvlan}, exec: [rdma, link], stdout: {contains: "mlx5_1/1 state ACTIVE"}}
        - {pods: {app: rdma-macvlan}, devices: {equals: [issm0, rdma_cm, umad0, uverbs0]}}
        - {pods: {app: rdma-macvlan}, interface: {name: eth0, kind: macvlan, addressIn: 172.81.0.100-172.81.0.120, up: true}}
        - {pods: {app: rdma-macvlan}, log: mofed-test, contains: [uverbs0, eth0]}
        - {rdma: ib_read_lat, between: {app: rdma-macvlan}}
        - {reach: {from: {app: rdma-macvlan}, to: 172.81.0.1, expect: refused}}
        - {node: 10-20-1-10, rdma: {netns: shared, links: [{name: mlx5_0/1, state: ACTIVE}, {name: mlx5_1/1, netdev: ens6f1np1}]}}
    - fault: {removeCharDevice: {node: 10-20-1-11, device: issm0}}
    - patch: {kind: SpiderIPPool, name: v4-81, merge: {spec: {ips: [172.81.0.100-172.81.0.140]}}}
    - delete: {objects: [{kind: DaemonSet, name: rdma-macvlan}]}
)";

inline constexpr std::string_view networkManifests = R"(apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderIPPool
metadata:
  name: v4-81
spec:
  gateway: 172.81.0.1
  ips:
  - 172.81.0.100-172.81.0.120
  subnet: 172.81.0.0/16
---
apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderMultusConfig
metadata:
  name: macvlan-ens6f0np0
  namespace: kube-system
spec:
  cniType: macvlan
  macvlan:
    master:
    - "ens6f0np0"
    ippools:
      ipv4: ["v4-81"]
)";

inline constexpr std::string_view daemonSetManifest = R"(apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: ${NAME}
  labels:
    app: $NAME
spec:
  selector:
    matchLabels:
      app: $NAME
  template:
    metadata:
      name: $NAME
      labels:
        app: $NAME
      annotations:
        ${ANNOTATION_MULTUS}
    spec:
      containers:
      - image: docker.io/mellanox/rping-test
        imagePullPolicy: IfNotPresent
        name: mofed-test
        securityContext:
          capabilities:
            add: [ "IPC_LOCK" ]
        resources:
          limits:
            ${RESOURCE}: 1
        command:
        - sh
        - -c
        - |
          ls -l /dev/infiniband /sys/class/net
          sleep 1000000
)";

inline std::string writeShared(const TestingFolder& folder) {
    folder.write("manifests/network.yaml", networkManifests);
    folder.write("manifests/daemonset.yaml", daemonSetManifest);
    return folder.write("scenario.yaml", sharedScenario);
}

} // namespace rdmalab::scenario
