#include "harness/scenario/loader.h"

#include "harness/scenario/testing_folder.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <fstream>

#include <sys/stat.h>

namespace rdmalab::scenario {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::string all(const LoadResult& result) {
    std::string out;
    for (const Diagnostic& one : result.diagnostics)
        out += one.str() + '\n';
    return out;
}

class LoadShared : public testing::Test {
protected:
    void SetUp() override {
        path = writeShared(folder);
        result = loadScenario(path);
        ASSERT_TRUE(result.scenario) << all(result);
        EXPECT_THAT(result.diagnostics, IsEmpty()) << all(result);
    }
    const Scenario& scenario() const { return *result.scenario; }
    template <typename Step>
    const Step& step(std::size_t i) const {
        return std::get<Step>(scenario().steps.at(i).action);
    }

    TestingFolder folder;
    std::string path;
    LoadResult result;
};

TEST_F(LoadShared, SpreadsAGroupOutIntoNodes) {
    ASSERT_THAT(scenario().nodes, SizeIs(2));
    const Node& node = scenario().nodes[1];
    EXPECT_EQ(node.name, "10-20-1-11");
    EXPECT_EQ(node.address->str(), "10.20.1.11/24");
    EXPECT_EQ(node.capacity.at("memory"), "263518036Ki");
    ASSERT_THAT(node.nics, SizeIs(2));
    EXPECT_EQ(node.nics[1].pci, "0000:af:00.1");
    EXPECT_EQ(node.nics[1].netdev, "ens6f1np1");
    EXPECT_EQ(node.nics[1].switchName, "tor0");
    EXPECT_TRUE(node.nics[1].linkUp);
    EXPECT_EQ(node.nics[1].place.str(), path + ":14:11");
}

TEST_F(LoadShared, KeepsChartValuesAndSetStringsApart) {
    const Helm& helm = *scenario().helm;
    EXPECT_EQ(helm.values->dump(), R"({"multus":{"multusCNI":{"defaultCniCRName":"macvlan-ens6f0np0"}}})");
    ASSERT_THAT(helm.set, SizeIs(2));
    EXPECT_EQ(helm.set[1].text, R"(rdma.rdmaSharedDevicePlugin.deviceConfig.vendors="15b3")");
    EXPECT_EQ(helm.ns, "kube-system");
}

TEST_F(LoadShared, ReadsManifestsWithTheirPlaces) {
    const auto& manifests = step<ApplyStep>(0).manifests;
    ASSERT_THAT(manifests, SizeIs(2));
    EXPECT_EQ(manifests[1].kind, "SpiderMultusConfig");
    EXPECT_EQ(manifests[1].ns, "kube-system");
    EXPECT_EQ(manifests[0].object.placeOf("/spec/ips/0").str(), (folder.path() / "manifests/network.yaml").string() + ":8:5");
    EXPECT_EQ(manifests[1].object.placeOf("/spec/macvlan/nothing").line, 18) << "nearest part that exists";
}

TEST_F(LoadShared, FillsInVariablesAsAHereDocumentDoes) {
    const Json& object = step<ApplyStep>(1).manifests.at(0).object.json();
    EXPECT_EQ(object.at("/metadata/name"_json_pointer), "rdma-macvlan");
    EXPECT_EQ(object.at("/spec/template/metadata/annotations"_json_pointer).dump(),
              R"({"v1.multus-cni.io/default-network":"kube-system/macvlan-ens6f0np0"})");
    EXPECT_EQ(object.at("/spec/template/spec/containers/0/resources/limits"_json_pointer).dump(),
              R"({"spidernet.io/hca_shared_devices":1})");
    // Behind the text that was filled in, lines are still those of the file.
    EXPECT_EQ(step<ApplyStep>(1).manifests[0].object.placeOf("/spec/template/spec/containers/0/command").line, 29);
}

TEST_F(LoadShared, NamesStepsThatHaveNoName) {
    std::vector<std::string> names;
    for (const Step& one : scenario().steps)
        names.push_back(one.name);
    EXPECT_THAT(names, ElementsAre("apply network.yaml", "start the pods", "wait until pods app=rdma-macvlan are all Ready",
                                   "assert 3 expectations", "probe 7 expectations", "fault removeCharDevice",
                                   "patch SpiderIPPool v4-81", "delete DaemonSet rdma-macvlan"));
    EXPECT_EQ(scenario().steps[2].place.line, 29);
}

TEST_F(LoadShared, ReadsAssertions) {
    const auto& assertions = step<AssertStep>(3).assertions;
    ASSERT_THAT(assertions, SizeIs(3));
    EXPECT_EQ(assertions[0].object->at("/status/allocatable/spidernet.io~1hca_shared_devices"_json_pointer), "500");
    EXPECT_EQ(assertions[0].object.placeOf("/status/allocatable/spidernet.io~1hca_shared_devices").str(), path + ":32:35");
    EXPECT_EQ(assertions[1].mode, ObjectAssertion::Mode::absent);
    EXPECT_EQ(assertions[2].mode, ObjectAssertion::Mode::count);
    EXPECT_EQ(assertions[2].count, 2);
}

TEST_F(LoadShared, ReadsProbes) {
    const auto& probes = step<ProbeStep>(4).probes;
    ASSERT_THAT(probes, SizeIs(7));
    EXPECT_EQ(describe(probes[0]), "exec rdma link in pods app=rdma-macvlan");
    EXPECT_EQ(std::get<ExecProbe>(probes[0].check).exitCode, 0);
    EXPECT_EQ(std::get<InterfaceProbe>(probes[2].check).addressIn->str(), "172.81.0.100-172.81.0.120");
    EXPECT_EQ(std::get<LogProbe>(probes[3].check).container, "mofed-test");
    EXPECT_THAT(std::get<LogProbe>(probes[3].check).text.clauses, SizeIs(2));
    EXPECT_EQ(std::get<ReachProbe>(probes[4].check).with, "ib_read_lat");
    EXPECT_EQ(std::get<ReachProbe>(probes[5].check).toIp->str(), "172.81.0.1");
    EXPECT_FALSE(std::get<ReachProbe>(probes[5].check).expectReached);
    EXPECT_EQ(std::get<RdmaProbe>(probes[6].check).expected->at("/links/1/netdev"_json_pointer), "ens6f1np1");
    EXPECT_EQ(std::get<WaitStep>(scenario().steps[2].action).timeout, std::chrono::seconds(90));
}

// ---- one text in, diagnostics out -------------------------------------------------------------------------------------------

constexpr std::string_view head = "apiVersion: rdmalab.io/v1alpha1\nkind: Scenario\nmetadata: {name: x}\nspec:\n";
constexpr std::string_view goodNodes = "  nodes: [{names: [n1]}]\n";
constexpr std::string_view goodSteps = "  steps: [{wait: {pods: {app: x}}}]\n";

struct Broken {
    std::string name;
    std::string text;                  // of scenario.yaml; the first line of `spec` is line 5
    std::vector<std::string> expected; // "file:line:column: severity: message" lines, with details behind
};

std::string spec(std::string_view nodes, std::string_view steps = goodSteps) {
    return std::string(head) + std::string(nodes) + std::string(steps);
}
std::string steps(std::string_view text) {
    return spec(goodNodes, "  steps:\n" + std::string(text));
}
std::string nics(std::string_view text) {
    return spec("  fabric: {switches: [{name: tor0}]}\n  nodes:\n    - names: [n1]\n      nics:\n" + std::string(text));
}

class BrokenScenario : public testing::TestWithParam<Broken> {};

TEST_P(BrokenScenario, IsExplained) {
    const TestingFolder folder;
    folder.write("good.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    folder.write("two.yaml", "kind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: 7\nmetadata:\n  labels: {}\n");
    folder.write("variables.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: $NAME-$(x)\n  namespace: ${NMAE}\n");
    folder.write("bad.yaml", "a: b: c\n");
    folder.write("empty.yaml", "# nothing\n---\n");
    std::filesystem::create_symlink("/etc/passwd", folder.path() / "link.yaml");
    ASSERT_EQ(::mkfifo((folder.path() / "fifo.yaml").c_str(), 0600), 0);
    const std::string path = folder.write("scenario.yaml", GetParam().text);
    const LoadResult result = loadScenario(path);
    std::vector<std::string> found;
    const std::string prefix = folder.path().string() + '/';
    for (const Diagnostic& one : result.diagnostics) {
        std::string text = one.str();
        ASSERT_TRUE(text.starts_with(prefix)) << text;
        text = text.substr(prefix.size());
        if (const auto models = text.find("BCM57508"); models != std::string::npos)
            text.replace(models, text.find('\n', models) - models, "MODELS"); // the catalogue grows
        found.push_back(text);
    }
    EXPECT_EQ(found, GetParam().expected);
    EXPECT_FALSE(result.scenario);
}

const std::string stepKeys = "apply, delete, wait, assert, probe, fault, patch or write";

INSTANTIATE_TEST_SUITE_P(
    Table, BrokenScenario,
    testing::Values(
        Broken{"Empty",
               "",
               {"scenario.yaml: error: the file is empty\n  expected: a scenario with apiVersion, kind, metadata and spec"}},
        Broken{"NotAMap", "- a\n", {"scenario.yaml:1:1: error: the scenario must be a map\n  found: a list"}},
        Broken{"Syntax",
               "kind: Scenario\nmetadata: {name: [x}\n",
               {"scenario.yaml:2:20: error: this is not valid YAML: illegal flow end\n  hint: look for a bracket or quote that "
                "is missing or too many"}},
        Broken{"Nul",
               std::string("kind: a\nb: \0", 12),
               {"scenario.yaml:2:4: error: the file contains a NUL byte\n  hint: YAML is text; is this the right file?"}},
        Broken{"NotUtf8",
               "kind: a\nb: \xff",
               {"scenario.yaml:2:4: error: the file is not UTF-8 (byte 255)\n  hint: save it as UTF-8"}},
        Broken{
            "RecursiveAlias",
            "a: &x [*x]\n",
            {"scenario.yaml:1:8: error: this alias refers to the very list or map that it is in\n  hint: write the content out"}},
        Broken{
            "TopLevel",
            "apiVersion: rdmalab.io/v1\nknd: Scenario\nmetadata: {name: Upper}\nspec: {}\n",
            {"scenario.yaml:1:1: error: the scenario has no 'kind'\n  expected: kind of the file",
             "scenario.yaml:1:13: error: unknown value for apiVersion\n  expected: rdmalab.io/v1alpha1\n  found: rdmalab.io/v1",
             "scenario.yaml:2:1: error: unknown key 'knd'\n  expected: apiVersion, kind, metadata or spec\n  hint: did you mean "
             "'kind'?",
             "scenario.yaml:3:18: error: metadata.name must be a name of lower-case letters, digits and dashes\n  found: Upper",
             "scenario.yaml:4:7: error: spec has no 'nodes'\n  expected: the nodes",
             "scenario.yaml:4:7: error: spec has no 'steps'\n  expected: what happens, in order"}},
        Broken{"UnknownKeyInNode",
               spec("  nodes: [{names: [n1], taint: []}]\n"),
               {"scenario.yaml:5:25: error: unknown key 'taint' in spec.nodes[0]\n  expected: names, count, nameTemplate, "
                "labels, taints, capacity, "
                "addresses, rdma, cni, numa, iommu, gpus or nics\n  hint: did you mean 'taints'?"}},
        Broken{"DoubleKey",
               spec("  nodes: [{names: [n1], names: [n2]}]\n"),
               {"scenario.yaml:5:25: error: key 'names' is given twice\n  hint: the first one is at line 5"}},
        Broken{"DoubleNode",
               spec("  nodes:\n  - names: [n1, n2]\n  - names: [n2]\n"),
               {"scenario.yaml:7:13: error: node name 'n2' is used twice\n  hint: first used at line 6"}},
        Broken{"WrongTypes",
               spec("  nodes: [{names: n1, labels: [a], capacity: {cpu: {}}}]\n"),
               {"scenario.yaml:5:19: error: spec.nodes[0].names must be a list\n  found: n1",
                "scenario.yaml:5:31: error: spec.nodes[0].labels must be a map\n  found: a list",
                "scenario.yaml:5:52: error: spec.nodes[0].capacity.cpu must be text\n  found: a map"}},
        Broken{"Quantities",
               spec("  nodes: [{names: [n1], capacity: {cpu: lots, memory: -1Gi, pods: 0.5, memroy: 1}}]\n"),
               {"scenario.yaml:5:41: error: spec.nodes[0].capacity.cpu must be a Kubernetes quantity\n  found: lots\n  hint: for "
                "example 40, 500m, "
                "263518036Ki",
                "scenario.yaml:5:55: error: spec.nodes[0].capacity.memory must be a Kubernetes quantity\n  found: -1Gi\n  hint: "
                "for example 40, "
                "500m, 263518036Ki",
                "scenario.yaml:5:67: error: the capacity of 'pods' must be a whole number\n  found: 0.5",
                "scenario.yaml:5:72: error: Kubernetes knows no resource 'memroy'\n  expected: cpu, memory, pods, "
                "ephemeral-storage, hugepages-SIZE "
                "or DOMAIN/NAME\n  hint: did you mean 'memory'?"}},
        Broken{"NamesAndCount",
               spec("  nodes: [{names: [n1], count: 2}]\n"),
               {"scenario.yaml:5:25: error: spec.nodes[0] can have only one of names or count\n  found: names and count"}},
        Broken{"CountZero",
               spec("  nodes: [{count: 0}]\n"),
               {"scenario.yaml:5:19: error: spec.nodes[0].count is out of range\n  expected: 1 to 20000\n  found: 0"}},
        Broken{"NumberOfAddresses",
               spec("  nodes: [{count: 2, addresses: [10.0.0.1/24]}]\n"),
               {"scenario.yaml:5:22: error: as many addresses as nodes are needed\n  expected: 2\n  found: 1"}},
        Broken{"Addresses",
               spec("  nodes: [{names: [n1, n2], addresses: [10.0.0.1, 10.0.0.1/24]}]\n"),
               {"scenario.yaml:5:41: error: spec.nodes[0].addresses[0] must be an IP address with its prefix length\n  found: "
                "10.0.0.1\n  hint: for "
                "example 10.20.1.10/24"}},
        Broken{
            "Nics",
            nics("      - {model: ConectX-5, pci: \"0000:af:00.0\", switch: tor1}\n"
                 "      - {model: ConnectX-5, pci: \"0000:af:00.8\", netdev: name-that-is-too-long}\n"
                 "      - {model: ConnectX-5, pci: \"af:00.0\", netdev: e0, rdma: r0}\n"
                 "      - {pci: \"0000:b0:00.0\", netdev: e0, rdma: r0, link: Up}\n"),
            {"scenario.yaml:9:17: error: unknown NIC model 'ConectX-5'\n  expected: MODELS\n  hint: did you mean 'ConnectX-5'?",
             "scenario.yaml:9:57: error: there is no switch 'tor1'\n  hint: did you mean 'tor0'?",
             "scenario.yaml:10:34: error: spec.nodes[0].nics[1].pci must be a PCI address\n  found: \"0000:af:00.8\"\n  hint: "
             "domain:bus:device.function "
             "in hexadecimal, for example \"0000:af:00.0\"",
             "scenario.yaml:10:58: error: spec.nodes[0].nics[1].netdev must be a network interface name of at most 15 "
             "characters\n  found: "
             "name-that-is-too-long",
             "scenario.yaml:11:34: error: PCI address '0000:af:00.0' is used twice\n  hint: first used at line 9",
             "scenario.yaml:12:9: error: spec.nodes[0].nics[3] has no 'model'\n  expected: a model of the hardware catalogue, "
             "such as ConnectX-5",
             "scenario.yaml:12:39: error: netdev name 'e0' is used twice\n  hint: first used at line 11",
             "scenario.yaml:12:49: error: RDMA device name 'r0' is used twice\n  hint: first used at line 11",
             "scenario.yaml:12:59: error: unknown value for spec.nodes[0].nics[3].link\n  expected: up or down\n  found: Up\n  "
             "hint: did you mean up?"}},
        Broken{"AddressOfAGroup",
               spec("  nodes: [{count: 2, nics: [{model: ConnectX-5, pci: \"0000:af:00.0\", addresses: [10.0.0.1/24]}]}]\n"),
               {"scenario.yaml:5:82: error: address '10.0.0.1' is used twice\n  hint: the group makes several nodes, and all of "
                "them would have it"}},
        Broken{"EmptySteps",
               spec(goodNodes, "  steps: []\n"),
               {"scenario.yaml:6:10: error: spec.steps is empty\n  expected: at least one item"}},
        Broken{"TwoActions",
               steps("  - wait: {pods: {a: b}}\n    assert: [{kind: Pod}]\n"),
               {"scenario.yaml:8:5: error: spec.steps[0] can have only one of " + stepKeys + "\n  found: wait and assert"}},
        Broken{"NoAction",
               steps("  - name: nothing\n  - wiat: {}\n"),
               {"scenario.yaml:7:5: error: spec.steps[0] needs one of " + stepKeys,
                "scenario.yaml:8:5: error: unknown key 'wiat' in spec.steps[1]\n  expected: name, apply, delete, wait, assert, "
                "probe, fault, patch or write\n  hint: "
                "did you mean 'wait'?"}},
        Broken{"Timeouts",
               steps("  - wait: {pods: {a: b}, timeout: 30}\n  - wait: {pods: {a: b}, timeout: -1s}\n  - wait: {pods: {a: b}, "
                     "timeout: 1e9s}\n"),
               {"scenario.yaml:7:35: error: spec.steps[0].wait.timeout must be a duration between 1ms and 24h\n  found: 30\n  "
                "hint: write a number with its "
                "unit: 30s, 1m30s, 500ms",
                "scenario.yaml:8:35: error: spec.steps[1].wait.timeout must be a duration between 1ms and 24h\n  found: -1s\n  "
                "hint: write a number with its "
                "unit: 30s, 1m30s, 500ms",
                "scenario.yaml:9:35: error: spec.steps[2].wait.timeout must be a duration between 1ms and 24h\n  found: 1e9s\n  "
                "hint: write a number with its "
                "unit: 30s, 1m30s, 500ms"}},
        Broken{"Files",
               steps("  - apply:\n      files:\n      - godo.yaml\n      - ../x.yaml\n      - /etc/passwd\n      - link.yaml\n   "
                     "   - .\n      - fifo.yaml\n      - "
                     "a/../good.yaml\n      - empty.yaml\n"),
               {"scenario.yaml:9:9: error: there is no such file\n  found: godo.yaml\n  hint: did you mean good.yaml?",
                "scenario.yaml:10:9: error: the file is outside the scenario's folder\n  found: ../x.yaml\n  hint: copy the file "
                "next to the scenario, so that "
                "it can be run anywhere",
                "scenario.yaml:11:9: error: spec.steps[0].apply.files[2] must be a path below the scenario's folder\n  found: "
                "/etc/passwd\n  hint: files belong "
                "next to the scenario, so that it can be copied and run anywhere",
                "scenario.yaml:12:9: error: the file is a link to somewhere outside the scenario's folder\n  found: link.yaml\n  "
                "hint: copy the file next to the "
                "scenario, so that it can be run anywhere",
                "scenario.yaml:13:9: error: the file is outside the scenario's folder\n  found: .\n  hint: copy the file next to "
                "the scenario, so that it can be "
                "run anywhere",
                "scenario.yaml:14:9: error: the file cannot be read: it is not a regular file\n  found: fifo.yaml",
                "scenario.yaml:16:9: error: there is no object in the file\n  found: empty.yaml"}},
        Broken{"Manifests",
               steps("  - apply: {files: [two.yaml, bad.yaml]}\n"),
               {"two.yaml:1:1: error: the manifest has no 'apiVersion'\n  hint: every Kubernetes object has apiVersion, kind and "
                "metadata.name",
                "two.yaml:5:1: error: 'kind' must be text\n  found: 7\n  hint: put it in quotes",
                "two.yaml:6:1: error: the manifest has no 'metadata.name'\n  hint: or metadata.generateName",
                "bad.yaml:1:5: error: this is not valid YAML: illegal map value\n  hint: look at the indentation, and put text "
                "with \": \" in quotes"}},
        Broken{"Variables",
               steps("  - apply: {files: [variables.yaml], env: {NAME: a}}\n"),
               {"variables.yaml:4:15: error: a shell would run $(...) as a command\n  hint: write \\$( to keep it for Kubernetes",
                "variables.yaml:5:14: error: variable NMAE is not defined\n  hint: did you mean NAME?"}},
        Broken{"Assertions",
               steps("  - assert:\n    - {metadata: {name: x}}\n    - {kind: Pod, spec: {a: {$mathces: x}, b: {$matches: \"(\"}, "
                     "c: {$gte: 1, d: 2}}}\n"
                     "    - absent: 3\n    - {count: 2}\n"),
               {"scenario.yaml:8:7: error: the expected object has no 'kind'\n  hint: a partial object needs at least its kind, "
                "for example {kind: Node, "
                "metadata: {name: n1}, status: {...}}",
                "scenario.yaml:9:30: error: unknown operator '$mathces'\n  expected: $contains, $notContains, $matches, $in, "
                "$range, $gte, $lte, $absent, "
                "$length, $json, $not\n  hint: did you mean '$matches'?",
                "scenario.yaml:9:48: error: $matches needs a regular expression: missing ): (\n  found: \"(\"",
                "scenario.yaml:9:68: error: an operator must be the only key of its map\n  found: '$gte' with other keys",
                "scenario.yaml:10:15: error: spec.steps[0].assert[2].absent must be a map\n  found: 3",
                "scenario.yaml:11:7: error: spec.steps[0].assert[3] has no 'of'\n  expected: a partial object"}},
        Broken{"Probes",
               steps("  - probe:\n    - {exec: [ls]}\n    - {node: n2, exec: [ls], contains: x}\n    - {pods: {a: b}, exec: "
                     "ls}\n    - {pods: {a: b}, log: c}\n"
                     "    - {pods: {a: b}, rdma: {links: [{nmae: x}]}}\n    - {rdma: ib_raed_lat, between: {a: b}}\n    - "
                     "{reach: {from: {a: b}}}\n"),
               {"scenario.yaml:8:7: error: the probe does not say where to look\n  hint: add pods: {label: value}, pod: NAME or "
                "node: NAME",
                "scenario.yaml:9:14: error: there is no node 'n2'\n  expected: n1\n  hint: did you mean 'n1'?",
                "scenario.yaml:9:30: error: 'contains' does not go with 'exec'\n  hint: expectations about output are given "
                "under stdout or stderr",
                "scenario.yaml:10:28: error: spec.steps[0].probe[2].exec must be a list\n  found: ls",
                "scenario.yaml:11:7: error: the probe does not say what must be in the log\n  hint: add contains, notContains, "
                "matches or equals",
                "scenario.yaml:12:38: error: unknown key 'nmae' in spec.steps[0].probe[4].rdma.links[0]\n  expected: name, "
                "state, physicalState or netdev\n  "
                "hint: did you mean 'name'?",
                "scenario.yaml:13:14: error: unknown value for spec.steps[0].probe[5].rdma\n  expected: ping, rping, "
                "ibv_rc_pingpong, ibv_ud_pingpong, "
                "ib_read_lat, ib_write_lat, ib_send_lat, ib_read_bw, ib_write_bw or ib_send_bw\n  found: ib_raed_lat\n  hint: "
                "did you mean ib_read_lat?",
                "scenario.yaml:14:8: error: the probe does not say what is to be reached\n  hint: add to: ADDRESS, to: {label: "
                "value} or toPod: NAME"}},
        Broken{"Faults",
               steps("  - fault: {restartKubelet: {node: n9}, linkUp: {node: n1, netdev: e0}}\n  - fault: {removeCharDevice: "
                     "{node: n1, device: mlx5_0}}\n"),
               {"scenario.yaml:7:36: error: there is no node 'n9'\n  expected: n1\n  hint: did you mean 'n1'?",
                "scenario.yaml:7:41: error: spec.steps[0].fault can have only one of killContainer, stopContainer, "
                "restartKubelet, stopKubelet, startKubelet, "
                "removeCharDevice, restoreCharDevice, linkDown, linkUp, unplugCard, replugCard, reloadDriver or limitVfs\n  "
                "found: restartKubelet and linkUp",
                "scenario.yaml:8:50: error: spec.steps[1].fault.removeCharDevice.device must be the name of a device in "
                "/dev/infiniband\n  found: mlx5_0\n  hint: "
                "for example issm0, umad1, uverbs0 or rdma_cm"}},
        Broken{"Helm",
               std::string(head) + "  helm: {set: [a, {}], namespace: [], x: .inf}\n" + std::string(goodNodes) +
                   std::string(goodSteps),
               {"scenario.yaml:5:16: error: an item of spec.helm.set must be key=value, as after helm's --set\n  found: a\n  "
                "hint: for example "
                "rdma.rdmaSharedDevicePlugin.install=true",
                "scenario.yaml:5:19: error: an item of spec.helm.set must be key=value, as after helm's --set\n  found: a map\n  "
                "hint: for example "
                "rdma.rdmaSharedDevicePlugin.install=true",
                "scenario.yaml:5:35: error: spec.helm.namespace must be a name of lower-case letters, digits and dashes\n  "
                "found: a list",
                "scenario.yaml:5:42: error: JSON has no such number\n  found: .inf"}}),
    [](const auto& one) { return one.param.name; });

TEST(Loader, SaysWhyAFileCannotBeRead) {
    const TestingFolder folder;
    EXPECT_EQ(loadScenario(folder.path() / "none.yaml").diagnostics.at(0).message,
              "the scenario cannot be read: no such file or directory");
    EXPECT_EQ(loadScenario(folder.path()).diagnostics.at(0).message, "the scenario cannot be read: it is a directory");
}

TEST(Loader, ReportsTheProblemsOfAllFilesInOneGoScenarioFirst) {
    const TestingFolder folder;
    folder.write("a.yaml", "kind: A\n");
    folder.write("b.yaml", "- x\n");
    const std::string path =
        folder.write("scenario.yaml",
                     steps("  - apply: {files: [b.yaml, a.yaml]}\n  - wait: {pods: {a: b}, timeout: soon}\n") + "  bogus: 1\n");
    std::vector<std::string> places;
    for (const Diagnostic& one : loadScenario(path).diagnostics)
        places.push_back(one.place.str().substr(folder.path().string().size() + 1));
    EXPECT_THAT(places, ElementsAre("scenario.yaml:8:35", "scenario.yaml:9:3", "b.yaml:1:1", "a.yaml:1:1", "a.yaml:1:1"));
}

constexpr std::string_view badPool =
    "apiVersion: spiderpool.spidernet.io/v2beta1\nkind: SpiderIPPool\nmetadata: {name: p}\nspec:\n"
    "  subnet: 172.81.0.0/16\n  ips:\n  - 172.82.0.1-172.82.0.9\n  bogus: 1\n";

TEST(Loader, SaysWhatTheApiServerWouldRefuseOnTheLineInTheManifest) {
    const TestingFolder folder;
    folder.write("pool.yaml", badPool);
    const LoadResult result = loadScenario(folder.write("scenario.yaml", steps("  - apply: {files: [pool.yaml]}\n")));
    EXPECT_FALSE(result.scenario);
    bool error = false, dropped = false;
    for (const Diagnostic& one : result.diagnostics) {
        error = error || (one.severity == Severity::error && one.place.line == 5 &&
                          one.message.find("SpiderIPPool 'p'") != std::string::npos);
        dropped = dropped || (one.severity == Severity::warning && one.place.line == 8);
    }
    EXPECT_TRUE(error) << all(result);
    EXPECT_TRUE(dropped) << all(result);
}

TEST(Loader, LetsARefusalThatIsExpectedPass) {
    const TestingFolder folder;
    folder.write("pool.yaml", badPool);
    const LoadResult result =
        loadScenario(folder.write("scenario.yaml", steps("  - apply: {files: [pool.yaml], expectRefusal: not contained}\n")));
    ASSERT_TRUE(result.scenario) << all(result);
    EXPECT_EQ(std::get<ApplyStep>(result.scenario->steps[0].action).expectRefusal->text, "not contained");
}

TEST(Loader, UnderstandsAnchorsAndMergeKeys) {
    const TestingFolder folder;
    const std::string path = folder.write("scenario.yaml", spec(R"(  nodes:
    - &common
      names: [n1]
      labels: &labels {zone: a, rack: r1}
      capacity: {cpu: 4}
    - <<: *common
      names: [n2]
      labels: {<<: *labels, rack: r2}
)"));
    const LoadResult result = loadScenario(path);
    ASSERT_TRUE(result.scenario) << all(result);
    EXPECT_EQ(result.scenario->nodes[1].capacity.at("cpu"), "4");
    EXPECT_EQ(result.scenario->nodes[1].labels, (Labels{{"zone", "a"}, {"rack", "r2"}}));
}

TEST(Loader, CountsNodesFromOneAndFillsTheIndexIn) {
    const TestingFolder folder;
    const std::string path = folder.write("scenario.yaml", spec(R"(  nodes:
    - count: 3
      nameTemplate: gpu-{index}.lab
      nics: [{model: ConnectX-7, pci: "af:00.0", addresses: ["172.81.0.{index}/16"]}]
)"));
    const LoadResult result = loadScenario(path);
    ASSERT_TRUE(result.scenario) << all(result);
    ASSERT_THAT(result.scenario->nodes, SizeIs(3));
    EXPECT_EQ(result.scenario->nodes[2].name, "gpu-3.lab");
    EXPECT_EQ(result.scenario->nodes[2].nics[0].addresses[0].str(), "172.81.0.3/16");
}

TEST(Loader, TakesListsApartAndKeepsPlaces) {
    const TestingFolder folder;
    folder.write("list.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: "
                              "a\n- apiVersion: v1\n  kind: Secret\n"
                              "  metadata:\n    name: b\n");
    const LoadResult result = loadScenario(folder.write("scenario.yaml", steps("  - apply: {files: [list.yaml]}\n")));
    ASSERT_TRUE(result.scenario) << all(result);
    const auto& manifests = std::get<ApplyStep>(result.scenario->steps[0].action).manifests;
    ASSERT_THAT(manifests, SizeIs(2));
    EXPECT_EQ(manifests[1].object.placeOf("/metadata/name").line, 11);
}

TEST(Loader, WarnsAboutVariablesWithoutEnv) {
    const TestingFolder folder;
    folder.write("m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: ${NAME}\n");
    const LoadResult result = loadScenario(folder.write("scenario.yaml", steps("  - apply: {files: [m.yaml]}\n")));
    EXPECT_TRUE(result.scenario);
    ASSERT_THAT(result.diagnostics, SizeIs(1));
    EXPECT_EQ(result.diagnostics[0].severity, Severity::warning);
    EXPECT_EQ(result.diagnostics[0].place.line, 5);
}

TEST(Loader, PutsCniFilesOnNodes) {
    const TestingFolder folder;
    folder.write("cni/10-bridge.conflist", "{\"name\": \"x\"}\n");
    const LoadResult result =
        loadScenario(folder.write("scenario.yaml", spec("  nodes: [{names: [n1], cni: {files: [cni/10-bridge.conflist]}}]\n")));
    ASSERT_TRUE(result.scenario) << all(result);
    EXPECT_EQ(result.scenario->nodes[0].cniFiles.at(0).name, "10-bridge.conflist");
    EXPECT_EQ(result.scenario->nodes[0].cniFiles.at(0).content, "{\"name\": \"x\"}\n");
}

TEST(Loader, SurvivesBombsAndDepth) {
    const TestingFolder folder;
    std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
    for (char c = 'b'; c < 'k'; ++c) {
        bomb += std::string(1, c) + ": &" + c + " [";
        for (int i = 0; i < 10; ++i)
            bomb += std::string(i > 0 ? ", *" : "*") + static_cast<char>(c - 1);
        bomb += "]\n";
    }
    for (const std::string& text :
         {bomb, std::string(100000, '['), std::string(100000, '{'), "a: " + std::string(200, '[') + std::string(200, ']'),
          std::string(50000, '-'), std::string("? ? ? ?"), std::string("&a &b c"), std::string("!!binary x: <<"),
          std::string("<<: 1\n"), std::string("<<: [1]\n"), std::string(": x\n"), std::string("[a]: x\n"),
          std::string("%YAML 9.9\n---\na"), std::string("--- a\n--- b\n"),
          std::string("\xef\xbb\xbf"
                      "kind: x\n")}) {
        const LoadResult result = loadScenario(folder.write("scenario.yaml", text));
        EXPECT_FALSE(result.scenario);
        EXPECT_THAT(result.diagnostics, testing::Not(IsEmpty())) << text.substr(0, 80);
    }
}

TEST(Schema, IsTheOneInTheTree) {
    std::ifstream file(RDMALAB_SOURCE_DIR "/schema/scenario.schema.json");
    std::stringstream text;
    text << file.rdbuf();
    const std::string wanted = scenarioSchema().dump(2) + "\n";
    if (std::getenv("RDMALAB_WRITE_SCHEMA") != nullptr) {
        std::ofstream(RDMALAB_SOURCE_DIR "/schema/scenario.schema.json") << wanted;
        GTEST_SKIP() << "schema written";
    }
    EXPECT_EQ(text.str(), wanted) << "run this test with RDMALAB_WRITE_SCHEMA=1 and commit the file";
}

} // namespace
} // namespace rdmalab::scenario
