// A scenario as a run uses it: everything it needs is in here, files included; nothing of it is started.
// Names and defaults of the language are documented in schema/scenario.schema.json, which is made from the same tables.
#pragma once

#include "harness/scenario/place.h"
#include "harness/scenario/placed_json.h"
#include "util/ip.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rdmalab::hardware {
class Catalogue;
}

namespace rdmalab::scenario {

enum class Tier { model, netns, rxe };
std::string_view name(Tier tier);

using Labels = std::map<std::string, std::string>;

// A string of the scenario that later work may complain about.
struct PlacedText {
    std::string text;
    Place place;
};

// ---- the cluster ------------------------------------------------------------------------------------------------------------

struct Metadata {
    std::string name; // a DNS label
    Labels labels, annotations;
    std::string description;
    Place place;
};

struct Compat {
    std::string spiderpool = "1.2";  // "0.8" or "1.2"
    std::string kubernetes = "1.32"; // "1.28" .. "1.35"
    Place place;
};

struct Switch {
    std::string name;
    std::optional<int> mtu; // bytes
    Place place;
};

struct Nic {
    std::string model;                       // as written; the hardware catalogue knows it
    std::string pci;                         // full form in lower case: "0000:af:00.0"
    std::optional<std::string> netdev, rdma; // the hardware model's own naming when absent
    std::optional<std::string> switchName;   // not cabled when absent
    std::optional<int> numa;
    std::optional<std::string> mac; // "aa:bb:cc:dd:ee:ff"
    std::optional<int> mtu;
    bool linkUp = true;
    std::vector<Cidr> addresses;
    // uverbs, umad, issm, rdma_cm; absent = what the hardware has
    std::optional<std::vector<std::string>> charDevices;
    std::optional<int> slot;              // hotplug slot, for predictable names
    std::optional<std::string> linkLayer; // "ethernet", "infiniband"
    std::optional<int> totalVfs;          // as set in the firmware
    int numVfs = 0;                       // made at boot
    std::optional<bool> rdmaEnabled;
    std::optional<std::uint64_t> nodeGuid; // host order
    std::optional<std::string> pcieSwitch;
    Place place;
};

struct Gpu {
    std::string model;
    std::string pci; // full form in lower case
    std::optional<int> numa;
    std::optional<std::string> pcieSwitch;
    std::optional<std::uint16_t> vendor, device;
    std::optional<std::uint32_t> classCode; // 24 bit
    std::optional<std::string> driver;      // empty = unbound
    Place place;
};

struct Numa {
    int id = 0;
    std::string cpus; // cpulist
    Place place;
};

struct Taint {
    std::string key, value, effect;
    Place place;
};

struct CniFile {
    std::string name;    // base name in /etc/cni/net.d
    std::string content; // verbatim
    Place place;
};

enum class RdmaNetns { shared, exclusive };
std::string_view name(RdmaNetns mode);
enum class RdmaNaming { kernel, udev };

// One node. Groups (`names` or `count`) are already spread out; {index} in an address of a NIC has been filled in.
struct Node {
    std::string name;
    int indexInGroup = 1; // {index}: counts from 1
    Labels labels;
    std::vector<Taint> taints;
    std::map<std::string, std::string> capacity; // resource -> quantity as written
    std::optional<Cidr> address;                 // management
    RdmaNetns rdmaNetns = RdmaNetns::shared;
    RdmaNaming rdmaNaming = RdmaNaming::kernel;
    bool iommu = true;
    std::vector<CniFile> cniFiles;
    std::vector<Numa> numa; // empty: those that the cards name
    std::vector<Gpu> gpus;
    std::vector<Nic> nics;
    Place place;
};

struct Helm {
    PlacedJson values;           // the tree under `helm`, without `set` and `namespace`; {} when there is none
    std::vector<PlacedText> set; // as printed after --set, in order; to be applied over `values`
    std::string ns = "kube-system";
    Place place;
};

// ---- steps ------------------------------------------------------------------------------------------------------------------

// One Kubernetes object as the user wrote it.
struct Manifest {
    PlacedJson object;
    std::string apiVersion, kind, ns, name; // ns and name may be empty (generateName)
    Place place;
};

struct ApplyStep {
    std::vector<Manifest> manifests;         // files in order, then inline objects; documents in order; kind List taken apart
    bool replace = false;                    // delete and create instead of merging
    std::optional<PlacedText> expectRefusal; // the API must refuse with an answer that contains this
};

struct ObjectRef {
    std::string apiVersion, kind, ns, name; // ns empty: "default" or cluster-wide, by kind
    Place place;
};

struct DeleteStep {
    std::vector<ObjectRef> objects;
    bool wait = true; // until they are really gone
};

// Which pods, or which node, something is done to.
struct PodSelector {
    Labels labels;   // all must be equal; empty when `pod` is given
    std::string pod; // by name
    std::string ns = "default";
    Place place;
    std::string str() const; // "pods app=x in default" / "pod default/x"
};

struct NodeSelector {
    std::string node;
    Place place;
};

using Target = std::variant<PodSelector, NodeSelector>;
std::string describe(const Target& target);

enum class PodCondition { ready, running, pending, completed, failed, gone };
std::string_view name(PodCondition condition);

struct PodWait {
    PodSelector pods;
    PodCondition condition = PodCondition::ready;
    std::optional<int> count; // exactly so many; absent = at least one, and all that there are
};

struct ObjectWait {
    PlacedJson object; // partial; kind is given. With metadata.name that object, else any of the kind
};

struct WaitStep {
    std::variant<PodWait, ObjectWait> until;
    std::chrono::milliseconds timeout{30000};
};

// `present`: with metadata.name that object must match, else at least one of the kind.
// `absent`: nothing of the kind matches. `count`: exactly `count` of the kind match.
struct ObjectAssertion {
    enum class Mode { present, absent, count } mode = Mode::present;
    PlacedJson object; // partial, kind is given
    int count = 0;
    Place place;
};

struct AssertStep {
    std::vector<ObjectAssertion> assertions;
};

// All clauses must hold.
struct TextExpectation {
    enum class Op { contains, notContains, matches, equals };
    struct Clause {
        Op op;
        std::string text;
        Place place;
    };
    std::vector<Clause> clauses;
};
std::string_view name(TextExpectation::Op op);

struct ExecProbe {
    std::vector<std::string> argv;
    std::string container; // empty = the first
    TextExpectation out, err;
    int exitCode = 0;
    std::chrono::milliseconds timeout{30000};
};

struct LogProbe {
    std::string container; // empty = the first
    TextExpectation text;
};

// Names below a directory, as a container (or the node) sees it.
struct DevicesProbe {
    std::string path = "/dev/infiniband";
    std::optional<std::vector<std::string>> equals; // exactly these, order does not count
    std::vector<std::string> contains, notContains;
};

struct InterfaceProbe {
    std::string name;
    bool absent = false;                     // there is no such interface; the rest is unset
    std::optional<std::string> kind, parent; // "macvlan", "ens6f0np0"
    std::optional<IpRange> addressIn;        // at least one address lies in there
    std::optional<IpAddress> gateway;        // of the default route through it
    std::optional<bool> up;
    std::optional<int> mtu;
    std::optional<std::string> mac;
};

struct FileProbe {
    std::string path;
    bool absent = false;
    TextExpectation text;
};

// Can the ends talk? `between`: every ordered pair of the pods. `from`/`to`: each pod of one to each of the other, or to `toIp`.
struct ReachProbe {
    std::optional<PodSelector> between, from, to;
    std::optional<IpAddress> toIp;
    // "ping", or the RDMA program that runs between the ends: ib_read_lat, ib_write_bw, rping, ...
    std::string with = "ping";
    bool expectReached = true;
};

// What `rdma system` and `rdma link` show there. Compare with matchPartial(expected, {"netns": ..., "links": [{"name":
// "mlx5_0/1", "state": "ACTIVE", "physicalState": "LINK_UP", "netdev": "ens6f0np0"}, ...]}), links in kernel order, netdev left
// out when none is shown.
struct RdmaProbe {
    PlacedJson expected;
};

struct Probe {
    std::optional<Target> target; // absent for ReachProbe only
    std::variant<ExecProbe, LogProbe, DevicesProbe, InterfaceProbe, FileProbe, ReachProbe, RdmaProbe> check;
    Place place;
};
// "exec", "log", "devices", "interface", "file", "reach", "rdma"
std::string_view kindOf(const Probe& probe);
// A line for people: "exec rdma link in pods app=x in default".
std::string describe(const Probe& probe);

struct ProbeStep {
    std::vector<Probe> probes;
};

struct ContainerFault {
    enum class Action { kill, stop } action; // SIGKILL, or SIGTERM with the pod's grace period
    PodSelector pods;
    std::string container, node; // empty = all
};

struct KubeletFault {
    enum class Action { restart, stop, start } action;
    std::string node;
};

struct CharDeviceFault {
    enum class Action { remove, restore } action;
    std::string node, device; // "issm0"
};

struct LinkFault {
    enum class Action { down, up } action;
    std::string node, netdev;
};

// All functions of a card are pulled out of the machine, or put back.
struct CardFault {
    enum class Action { unplug, replug } action;
    std::string node, pci;
};

// The module is taken out and loaded again.
struct DriverFault {
    std::string node, driver;
};

// The firmware offers so many VFs from the next time on that the driver looks.
struct FirmwareFault {
    std::string node, pci;
    int vfs = 0;
};

struct FaultStep {
    std::string name; // the key as written: "killContainer"
    std::variant<ContainerFault, KubeletFault, CharDeviceFault, LinkFault, CardFault, DriverFault, FirmwareFault> fault;
};

// One write(2) to a file of a node, as `echo -n CONTENT > FILE` there.
struct WriteStep {
    std::string node, file, content;
    std::string refused; // errno by name ("EBUSY") that the write must fail with; empty: it must succeed
};

struct PatchStep {
    ObjectRef object; // apiVersion may be empty
    PlacedJson merge; // RFC 7386
};

using Action = std::variant<ApplyStep, DeleteStep, WaitStep, AssertStep, ProbeStep, FaultStep, PatchStep, WriteStep>;

struct Step {
    std::string name; // as given, or made from the action: "apply ippool.yaml, daemonset.yaml"
    Action action;
    Place place;
};
// "apply", "delete", "wait", "assert", "probe", "fault", "patch", "write"
std::string_view kindOf(const Action& action);

// ---- all of it --------------------------------------------------------------------------------------------------------------

std::shared_ptr<const hardware::Catalogue> builtInCatalogue();

struct Scenario {
    std::string file; // as it was given
    Metadata metadata;
    Compat compat;
    std::optional<std::vector<Tier>> tiers; // absent = all
    std::string tiersReason;
    std::vector<Switch> switches;
    // The built-in NIC models and those of spec.nicModels: every machine is built with it. Never null.
    std::shared_ptr<const hardware::Catalogue> catalogue = builtInCatalogue();
    std::vector<Node> nodes;
    std::optional<Helm> helm;
    std::vector<Step> steps;

    bool allows(Tier tier) const;
};

} // namespace rdmalab::scenario
