#include "harness/scenario/language.h"

#include "harness/scenario/formats.h"
#include "harness/scenario/loader.h"

#include <nlohmann/json.hpp>

namespace rdmalab::scenario {

namespace {

namespace f = formats;

ShapePtr labels(std::string description, bool nonEmpty = false) {
    return map(text({}), std::move(description), nonEmpty);
}

ShapePtr timeout() {
    return text("how long to wait, 30s by default", &f::duration);
}
ShapePtr ns() {
    return text("namespace, \"default\" by default", &f::dnsLabel);
}
ShapePtr env() {
    return map(text("value"), "values of $NAME and ${NAME} in the files, as a shell fills in a here-document");
}
ShapePtr files() {
    return list(text("file", &f::relativePath), "manifest files, from the scenario's folder");
}
ShapePtr podLabels() {
    return labels("pods that have these labels", true);
}

ShapePtr partialObject(std::string description) {
    return either(std::move(description), "a map",
                  {{[](const YamlNode& n) { return n.isMap(); }, anything("a partial Kubernetes object")}});
}

ShapePtr metadata() {
    return object("what the scenario is called", {{"name", text("name of the scenario", &f::dnsLabel), true},
                                                  {"labels", labels("for choosing scenarios")},
                                                  {"annotations", labels("anything else worth noting")},
                                                  {"description", text("what the scenario shows")}});
}

ShapePtr compat() {
    return object(
        "which upstream versions the components behave like",
        {{"spiderpool", word({"0.8", "1.2"}, "behaviour profile of Spiderpool, 1.2 by default")},
         {"kubernetes", word({"1.28", "1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35"}, "version of Kubernetes")}});
}

ShapePtr fabric() {
    const auto one = object(
        "a switch", {{"name", text("its name", &f::dnsLabel), true}, {"mtu", integer(68, 65535, "largest packet, in bytes")}});
    return object("what NICs are plugged into", {{"switches", list(one, "switches"), true}});
}

ShapePtr nic() {
    return object(
        "one port of a NIC, which is one PCI function",
        {{"model", text("a model of the hardware catalogue, such as ConnectX-5", &f::notEmpty), true},
         {"pci", text("PCI address", &f::pciAddress), true},
         {"netdev", text("name of the network interface; udev's predictable name by default", &f::interfaceName)},
         {"rdma", text("name of the RDMA device; mlx5_0, mlx5_1, ... by default", &f::rdmaName)},
         {"switch", text("the switch at the other end of the cable; no cable by default", &f::dnsLabel)},
         {"numa", integer(-1, 1023, "NUMA node")},
         {"mac", text("MAC address; made from the node's name and the PCI address by default", &f::macAddress)},
         {"mtu", integer(68, 65535, "MTU in bytes")},
         {"link", word({"up", "down"}, "whether the interface is up, which it is by default")},
         {"addresses", list(text("address", &f::addressOrTemplate), "addresses of the interface; {index} is the node's number")},
         {"charDevices", list(word({"uverbs", "umad", "issm", "rdma_cm"}, "kind of device"),
                              "character devices in /dev/infiniband, instead of those that the model has", false)},
         {"slot", integer(0, 16383, "hotplug slot number, which predictable names use")},
         {"linkLayer", word({"ethernet", "infiniband"}, "personality of a port that can be both")},
         {"totalVfs", integer(0, 65535, "largest number of virtual functions, as set in the firmware")},
         {"numVfs", integer(0, 65535, "virtual functions that are there from boot on; none by default")},
         {"rdmaEnabled", boolean("false takes the RDMA device away, though the model has one")},
         {"nodeGuid", text("GUID of the RDMA device; made from the MAC address by default", &f::guid)},
         {"pcieSwitch", text("name of a PCI Express switch; cards that name the same one sit below it", &f::notEmpty)}});
}

ShapePtr gpu() {
    return object(
        "an accelerator, which is there for its place only",
        {{"model", text("A100, B200, H100, H200 or L40S; anything when vendor and device are given", &f::notEmpty), true},
         {"pci", text("PCI address", &f::pciAddress), true},
         {"numa", integer(-1, 1023, "NUMA node")},
         {"pcieSwitch", text("name of the PCI Express switch above it", &f::notEmpty)},
         {"vendor", text("PCI vendor", &f::pciId)},
         {"device", text("PCI device", &f::pciId)},
         {"class", text("PCI class, 030200 by default", &f::pciClass)},
         {"driver", text("driver that it is bound to; empty = none")}});
}

ShapePtr numa() {
    return object("a NUMA node", {{"id", integer(0, 1023, "its number"), true},
                                  {"cpus", text("its CPUs, as in 0-15,32-47; none by default", &f::cpuList)}});
}

ShapePtr node() {
    const auto taint = object("a taint", {{"key", text("key", &f::notEmpty), true},
                                          {"value", text("value")},
                                          {"effect", word({"NoSchedule", "PreferNoSchedule", "NoExecute"}, "effect"), true}});
    return object("nodes that are alike",
                  {{"names", list(text("name of a node", &f::dnsSubdomain), "a node for each name")},
                   {"count", integer(1, 20000, "so many nodes, named by nameTemplate")},
                   {"nameTemplate",
                    text("names of counted nodes, \"node-{index}\" by default; {index} counts from 1", &f::nodeNameTemplate)},
                   {"labels", labels("labels of the Node objects")},
                   {"taints", list(taint, "taints of the Node objects", false)},
                   {"capacity", map(text("quantity", &f::quantity), "what the node has: cpu, memory, pods, ...")},
                   {"addresses", list(text("address", &f::cidr), "management address of each node, in the order of the nodes")},
                   {"rdma", object("the RDMA subsystem",
                                   {{"netns", word({"shared", "exclusive"}, "as `rdma system` shows it, shared by default")},
                                    {"naming", word({"kernel", "udev"}, "mlx5_0, ... by default, or rocep175s0f0, ... as "
                                                                        "rdma-core's udev rules make it")}})},
                   {"cni", object("container networking that is there before anything is installed",
                                  {{"files", list(text("file", &f::relativePath), "files that are put in /etc/cni/net.d")}})},
                   {"numa", list(numa(), "NUMA nodes; by default those that the cards name", false)},
                   {"iommu", boolean("every PCI function is in an IOMMU group of its own, true by default")},
                   {"gpus", list(gpu(), "accelerators", false)},
                   {"nics", list(nic(), "network cards", false)}},
                  {{Rule::Kind::exactlyOne, {"names", "count"}}});
}

ShapePtr helm() {
    // The chart's own tree: its keys are the chart's business.
    return either("values of the Spiderpool chart, as in a values file; `set` and `namespace` are rdmalab's own", "a map",
                  {{[](const YamlNode& n) { return n.isMap(); },
                    anything("value tree, with `set`: list of key=value as after --set, and "
                             "`namespace`: where the chart is installed, kube-system by default")}});
}

ShapePtr apply() {
    return object("what `kubectl apply` does",
                  {{"files", files()},
                   {"objects", list(partialObject("a manifest"), "manifests written right here")},
                   {"env", env()},
                   {"replace", boolean("delete and create the objects instead of merging")},
                   {"expectRefusal", text("the API must refuse with an answer that contains this", &f::notEmpty)}},
                  {{Rule::Kind::atLeastOne, {"files", "objects"}}});
}

std::vector<Key> reference() {
    return {{"apiVersion", text("API version; that of the kind by default", &f::notEmpty)},
            {"kind", text("kind of the object", &f::notEmpty), true},
            {"name", text("name of the object", &f::objectName), true},
            {"namespace", text("namespace; \"default\" for kinds that have one", &f::dnsLabel)}};
}

ShapePtr remove() {
    return object("what `kubectl delete` does",
                  {{"files", files()},
                   {"env", env()},
                   {"objects", list(object("an object", reference()), "objects by name")},
                   {"wait", boolean("until they are gone, true by default")}},
                  {{Rule::Kind::atLeastOne, {"files", "objects"}}});
}

ShapePtr patch() {
    auto keys = reference();
    keys.push_back({"merge", partialObject("JSON merge patch: null removes a key, lists are replaced"), true});
    return object("what `kubectl patch --type merge` does", std::move(keys));
}

ShapePtr waiting() {
    return object(
        "wait until something is so",
        {{"pods", podLabels()},
         {"namespace", ns()},
         {"condition", word({"Ready", "Running", "Pending", "Completed", "Failed", "Gone"}, "of the pods, Ready by default")},
         {"count", integer(0, 1000000, "exactly so many pods; by default all, and at least one")},
         {"object", partialObject("a partial object that must be matched")},
         {"timeout", timeout()}},
        {{Rule::Kind::exactlyOne, {"pods", "object"}}});
}

ShapePtr assertion() {
    const auto absent = object("no object matches", {{"absent", partialObject("a partial object"), true}});
    const auto count = object("so many objects match", {{"count", integer(0, 1000000, "number of objects"), true},
                                                        {"of", partialObject("a partial object"), true}});
    return either("a partial object that must be there, {absent: partial object}, or {count: n, of: partial object}", "a map",
                  {{[](const YamlNode& n) { return n.isMap() && n.find("absent") != nullptr; }, absent},
                   // An Event has a `count` of its own.
                   {[](const YamlNode& n) {
                        return n.isMap() &&
                               (n.find("of") != nullptr || (n.find("count") != nullptr && n.find("kind") == nullptr));
                    },
                    count},
                   {[](const YamlNode& n) { return n.isMap(); }, anything("a partial object that must be there")}});
}

std::vector<Key> textClauses() {
    return {{"contains", textOrTexts("must be in the text")},
            {"notContains", textOrTexts("must not be in the text")},
            {"matches", textOrTexts("regular expression (RE2) that must be found in the text", &f::regex)},
            {"equals", text("the whole text; white space at the ends does not count")}};
}

const Rule textClauseRule{Rule::Kind::atLeastOne, {"contains", "notContains", "matches", "equals"}};

ShapePtr textExpectation(std::string description) {
    return either(
        std::move(description), "a map with contains, notContains, matches or equals, or the whole text",
        {{[](const YamlNode& n) { return n.isScalar(); }, text("the whole text; white space at the ends does not count")},
         {[](const YamlNode& n) { return n.isMap(); }, object("", textClauses(), {textClauseRule})}});
}

ShapePtr logExpectation() {
    auto keys = textClauses();
    keys.push_back({"container", text("container, the first by default", &f::dnsLabel)});
    return either("what a container has written; a map, or the container's name with contains, ... next to it",
                  "a map or a container's name",
                  {{[](const YamlNode& n) { return n.isNull(); }, anything({})},
                   {[](const YamlNode& n) { return n.isScalar(); }, text("container", &f::dnsLabel)},
                   {[](const YamlNode& n) { return n.isMap(); }, object("", std::move(keys), {textClauseRule})}});
}

ShapePtr devices() {
    const auto names = [](std::string description, bool nonEmpty) {
        return list(text("name", &f::notEmpty), std::move(description), nonEmpty);
    };
    return object("names in a directory of devices",
                  {{"path", text("directory, /dev/infiniband by default", &f::absolutePath)},
                   {"equals", names("exactly these, in any order", false)},
                   {"contains", names("at least these", true)},
                   {"notContains", names("none of these", true)}},
                  {{Rule::Kind::atLeastOne, {"equals", "contains", "notContains"}}});
}

ShapePtr interface() {
    return object("a network interface", {{"name", text("name", &f::interfaceName), true},
                                          {"absent", boolean("there must be none")},
                                          {"kind", text("macvlan, ipvlan, veth, ...", &f::notEmpty)},
                                          {"parent", text("interface that it is on top of", &f::interfaceName)},
                                          {"addressIn", text("range in which one of its addresses lies", &f::addressRange)},
                                          {"gateway", text("of the default route through it", &f::address)},
                                          {"up", boolean("whether it is up")},
                                          {"mtu", integer(68, 65535, "MTU in bytes")},
                                          {"mac", text("MAC address", &f::macAddress)}});
}

ShapePtr file() {
    auto keys = textClauses();
    keys.insert(keys.begin(), {"path", text("path of the file", &f::absolutePath), true});
    keys.push_back({"absent", boolean("there must be no such file")});
    return object("content of a file", std::move(keys),
                  {{Rule::Kind::atLeastOne, {"contains", "notContains", "matches", "equals", "absent"}}});
}

ShapePtr tool() {
    return word({"ping", "rping", "ibv_rc_pingpong", "ibv_ud_pingpong", "ib_read_lat", "ib_write_lat", "ib_send_lat",
                 "ib_read_bw", "ib_write_bw", "ib_send_bw"},
                "what runs between the ends, ping by default");
}

ShapePtr reachEnd(std::string description) {
    return either(std::move(description), "labels of pods, or an IP address",
                  {{[](const YamlNode& n) { return n.isScalar(); }, text("address", &f::address)},
                   {[](const YamlNode& n) { return n.isMap(); }, podLabels()}});
}

ShapePtr reach() {
    return object(
        "whether the ends can talk",
        {{"between", labels("every pod with these labels to every other", true)},
         {"from", podLabels()},
         {"fromPod", text("a pod by name", &f::objectName)},
         {"to", reachEnd("labels of pods, or an IP address")},
         {"toPod", text("a pod by name", &f::objectName)},
         {"namespace", ns()},
         {"with", tool()},
         {"expect", word({"ok", "refused"}, "ok by default")}},
        {{Rule::Kind::exactlyOne, {"between", "from", "fromPod"}}, {Rule::Kind::atMostOne, {"to", "toPod", "between"}}});
}

ShapePtr rdmaView() {
    const auto link =
        object("a link, as far as it matters", {{"name", anything("device and port: mlx5_0/1")},
                                                {"state", anything("ACTIVE, DOWN, ...")},
                                                {"physicalState", anything("LINK_UP, DISABLED, ...")},
                                                {"netdev", anything("network interface; {$absent: true} for none shown")}});
    const auto links = either("what `rdma link` shows: all links in order, or {$contains: [...]}, {$length: n}", "a list",
                              {{[](const YamlNode& n) { return n.isList(); }, list(link, {}, false)},
                               {[](const YamlNode& n) { return n.isMap(); }, anything("{$contains: [...]}, {$length: n}")}});
    return either("what `rdma system` and `rdma link` show, or an RDMA program to run between pods",
                  "a map, or the name of a program",
                  {{[](const YamlNode& n) { return n.isScalar(); }, tool()},
                   {[](const YamlNode& n) { return n.isMap(); },
                    object("", {{"netns", word({"shared", "exclusive"}, "as `rdma system` shows it")}, {"links", links}},
                           {{Rule::Kind::atLeastOne, {"netns", "links"}}})}});
}

ShapePtr probe() {
    std::vector<Key> keys = {{"pods", podLabels()},
                             {"pod", text("a pod by name", &f::objectName)},
                             {"node", text("a node by name", &f::dnsSubdomain)},
                             {"namespace", ns()},
                             {"container", text("container, the first by default", &f::dnsLabel)},
                             {"exec", list(text("argument"), "program and arguments to run there")},
                             {"stdout", textExpectation("what the program writes to stdout")},
                             {"stderr", textExpectation("what the program writes to stderr")},
                             {"exitCode", integer(0, 255, "exit code of the program, 0 by default")},
                             {"timeout", timeout()},
                             {"log", logExpectation()},
                             {"devices", devices()},
                             {"interface", interface()},
                             {"file", file()},
                             {"reach", reach()},
                             {"rdma", rdmaView()},
                             {"between", labels("pods, with rdma: PROGRAM", true)}};
    for (Key& key : textClauses())
        keys.push_back(std::move(key));
    return object("look from inside pods or a node", std::move(keys),
                  {{Rule::Kind::exactlyOne, {"exec", "log", "devices", "interface", "file", "reach", "rdma"}},
                   {Rule::Kind::atMostOne, {"pods", "pod", "node"}}});
}

ShapePtr fault() {
    const auto container = object("containers",
                                  {{"pods", podLabels()},
                                   {"pod", text("a pod by name", &f::objectName)},
                                   {"namespace", ns()},
                                   {"container", text("container, all by default", &f::dnsLabel)},
                                   {"node", text("only on this node", &f::dnsSubdomain)}},
                                  {{Rule::Kind::exactlyOne, {"pods", "pod"}}});
    const auto onNode = object("a node", {{"node", text("node", &f::dnsSubdomain), true}});
    const auto device = object("a device", {{"node", text("node", &f::dnsSubdomain), true},
                                            {"device", text("its name in /dev/infiniband", &f::charDeviceName), true}});
    const auto link = object("a link", {{"node", text("node", &f::dnsSubdomain), true},
                                        {"netdev", text("network interface", &f::interfaceName), true}});
    const auto card = object("a card", {{"node", text("node", &f::dnsSubdomain), true},
                                        {"pci", text("address of one of its functions", &f::pciAddress), true}});
    const auto driver = object(
        "a driver", {{"node", text("node", &f::dnsSubdomain), true}, {"driver", text("mlx5_core, ...", &f::notEmpty), true}});
    const auto firmware = object("a limit", {{"node", text("node", &f::dnsSubdomain), true},
                                             {"pci", text("address of the PF", &f::pciAddress), true},
                                             {"vfs", integer(0, 65535, "most VFs that the firmware offers"), true}});
    const std::vector<Key> keys = {{"killContainer", container},  {"stopContainer", container}, {"restartKubelet", onNode},
                                   {"stopKubelet", onNode},       {"startKubelet", onNode},     {"removeCharDevice", device},
                                   {"restoreCharDevice", device}, {"linkDown", link},           {"linkUp", link},
                                   {"unplugCard", card},          {"replugCard", card},         {"reloadDriver", driver},
                                   {"limitVfs", firmware}};
    std::vector<std::string> names;
    for (const Key& key : keys)
        names.push_back(key.name);
    return object("something breaks, or is mended", keys, {{Rule::Kind::exactlyOne, names}});
}

ShapePtr write() {
    return object("one write to a file of a node, nothing added",
                  {{"node", text("node", &f::dnsSubdomain), true},
                   {"file", text("path of the file", &f::absolutePath), true},
                   {"content", text("what is written"), true},
                   {"refused", text("name of the error that it must fail with: EBUSY", &f::errnoName)}});
}

ShapePtr step() {
    const std::vector<Key> actions = {{"apply", apply()},
                                      {"delete", remove()},
                                      {"wait", waiting()},
                                      {"assert", list(assertion(), "what must be so")},
                                      {"probe", list(probe(), "what must be seen from inside")},
                                      {"fault", fault()},
                                      {"patch", patch()},
                                      {"write", write()}};
    std::vector<std::string> names;
    std::vector<Key> keys = {{"name", text("what the step is called in reports", &f::notEmpty)}};
    for (const Key& action : actions) {
        names.push_back(action.name);
        keys.push_back(action);
    }
    return object("one step", std::move(keys), {{Rule::Kind::exactlyOne, names}});
}

ShapePtr scenario() {
    const auto spec = object(
        "the scenario",
        {{"compat", compat()},
         {"tiers", list(word({"model", "netns", "rxe"}, "tier"), "the only tiers that can run this; all by default")},
         {"tiersReason", text("why others cannot", &f::notEmpty)},
         {"fabric", fabric()},
         {"nicModels", list(text("file", &f::relativePath), "NIC models of your own: files of the hardware catalogue's format")},
         {"nodes", list(node(), "the nodes"), true},
         {"helm", helm()},
         {"steps", list(step(), "what happens, in order"), true}});
    return object("An rdmalab scenario", {{"apiVersion", word({"rdmalab.io/v1alpha1"}, "version of the language"), true},
                                          {"kind", word({"Scenario"}, "kind of the file"), true},
                                          {"metadata", metadata(), true},
                                          {"spec", spec, true}});
}

} // namespace

const Shape& scenarioShape() {
    static const ShapePtr shape = scenario();
    return *shape;
}

Json scenarioSchema() {
    Json schema = shapeSchema(scenarioShape());
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
    schema["$id"] = "https://rdmalab.io/schema/scenario.schema.json";
    schema["title"] = "rdmalab scenario";
    return schema;
}

} // namespace rdmalab::scenario
