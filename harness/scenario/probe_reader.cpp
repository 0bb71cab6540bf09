#include "harness/scenario/formats.h"
#include "harness/scenario/matcher.h"
#include "harness/scenario/reading.h"
#include "harness/scenario/yaml_value.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace rdmalab::scenario {

TextExpectation readText(const View& clauses) {
    TextExpectation out;
    if (!clauses)
        return out;
    if (const auto whole = clauses.text()) {
        out.clauses.push_back({TextExpectation::Op::equals, *whole, clauses.place()});
        return out;
    }
    for (const TextExpectation::Op op : {TextExpectation::Op::contains, TextExpectation::Op::notContains,
                                         TextExpectation::Op::matches, TextExpectation::Op::equals}) {
        const View at = clauses[name(op)];
        if (!at)
            continue;
        if (const auto one = at.text())
            out.clauses.push_back({op, *one, at.place()});
        for (const View& item : at.items())
            out.clauses.push_back({op, item.text(""), item.place()});
    }
    return out;
}

namespace {

const std::set<std::string> targetKeys = {"pods", "pod", "node", "namespace", "container"};

// Which other keys go with the key that says what is looked at.
const std::map<std::string, std::set<std::string>> companions = {
    {"exec", {"stdout", "stderr", "exitCode", "timeout"}},
    {"log", {"contains", "notContains", "matches", "equals"}},
    {"devices", {}},
    {"interface", {}},
    {"file", {}},
    {"reach", {"namespace"}},
    {"rdma", {"between"}},
};

class ProbeReader {
public:
    explicit ProbeReader(Reading& reading) : reading_(reading), diagnostics_(reading.diagnostics) {}

    std::optional<Probe> read(const View& view) {
        std::string kind;
        for (const auto& one : companions) {
            if (view.has(one.first))
                kind = one.first;
        }
        if (kind.empty())
            return std::nullopt;
        const View at = view[kind];
        const bool between = kind == "reach" || (kind == "rdma" && (!at || at.node().isScalar()));
        checkCompanions(view, kind, between);
        Probe probe;
        probe.place = view.place();
        if (between)
            probe.check = readReach(view, at, kind);
        else
            probe.target = readTarget(view);
        if (!at || (!between && !probe.target))
            return std::nullopt;
        if (kind == "exec")
            probe.check = ExecProbe{at.texts(),
                                    view["container"].text(""),
                                    readText(view["stdout"]),
                                    readText(view["stderr"]),
                                    view["exitCode"].integer().value_or(0),
                                    readTimeout(view)};
        else if (kind == "log")
            probe.check = readLog(view, at);
        else if (kind == "devices")
            probe.check = readDevices(at);
        else if (kind == "interface")
            probe.check = readInterface(at);
        else if (kind == "file")
            probe.check = readFile(at);
        else if (kind == "rdma" && !between)
            probe.check = readRdma(at);
        return probe;
    }

private:
    void checkCompanions(const View& view, const std::string& kind, bool between) {
        const std::set<std::string>& allowed = companions.at(kind);
        for (const YamlEntry& entry : view.node().entries) {
            const std::string& key = entry.key;
            if (key == kind || companions.contains(key) || allowed.contains(key) || (key == "namespace" && between) ||
                (!between && targetKeys.contains(key)))
                continue;
            for (const auto& [owner, keys] : companions) {
                if (!keys.contains(key) && !targetKeys.contains(key))
                    continue;
                diagnostics_.error(entry.place, "'" + key + "' does not go with '" + kind + "'").hint =
                    between && targetKeys.contains(key) ? "the ends are given by between, or from and to"
                    : kind == "exec"                    ? "expectations about output are given under stdout or stderr"
                                                        : "expectations are given under '" + kind + "'";
                break;
            }
        }
    }

    std::optional<Target> readTarget(const View& view) {
        if (const View node = view["node"]) {
            reading_.requireNode(node);
            for (const char* key : {"container", "namespace"}) {
                if (const View misplaced = view[key])
                    diagnostics_.error(misplaced.keyPlace(), std::string("'") + key + "' does not go with 'node'");
            }
            return NodeSelector{node.text(""), node.place()};
        }
        if (view.has("pods") || view.has("pod"))
            return readPods(view, "pods", "pod");
        if (!view.has("node"))
            diagnostics_.error(view.place(), "the probe does not say where to look").hint =
                "add pods: {label: value}, pod: NAME or node: NAME";
        return std::nullopt;
    }

    LogProbe readLog(const View& view, const View& at) {
        if (at.node().isMap())
            return {at["container"].text(view["container"].text("")), readText(at)};
        LogProbe log{at.text(view["container"].text("")), readText(view)};
        if (log.text.clauses.empty() && view.sound())
            diagnostics_.error(view.place(), "the probe does not say what must be in the log").hint =
                "add contains, notContains, matches or equals";
        return log;
    }

    static DevicesProbe readDevices(const View& at) {
        DevicesProbe devices;
        devices.path = at["path"].text(devices.path);
        if (const View equals = at["equals"])
            devices.equals = equals.texts();
        devices.contains = at["contains"].texts();
        devices.notContains = at["notContains"].texts();
        return devices;
    }

    InterfaceProbe readInterface(const View& at) {
        InterfaceProbe interface;
        interface.name = at["name"].text("");
        interface.absent = at["absent"].boolean(false);
        interface.kind = at["kind"].text();
        interface.parent = at["parent"].text();
        if (const auto range = at["addressIn"].text())
            interface.addressIn = IpRange::parse(*range);
        if (const auto gateway = at["gateway"].text())
            interface.gateway = IpAddress::parse(*gateway);
        if (const View up = at["up"])
            interface.up = up.boolean(true);
        interface.mtu = at["mtu"].integer();
        interface.mac = at["mac"].text();
        if (interface.absent) {
            for (const YamlEntry& entry : at.node().entries) {
                if (entry.key != "name" && entry.key != "absent")
                    diagnostics_.error(entry.place, "'" + entry.key + "' does not go with 'absent'");
            }
        }
        return interface;
    }

    FileProbe readFile(const View& at) {
        FileProbe file{at["path"].text(""), at["absent"].boolean(false), readText(at)};
        if (file.absent && !file.text.clauses.empty())
            diagnostics_.error(at["absent"].keyPlace(), "a file that is absent has no content to look at");
        return file;
    }

    ReachProbe readReach(const View& view, const View& at, const std::string& kind) {
        ReachProbe reach;
        if (!at)
            return reach;
        const std::string nsDefault = view["namespace"].text("default");
        if (kind == "rdma") {
            reach.with = at.text("");
            if (view["between"])
                reach.between = readPods(view, "between", "", nsDefault);
            else if (!view.has("between"))
                diagnostics_.error(view.place(), "the probe does not say between which pods").hint =
                    "add between: {label: value}, or use reach: {with: " + reach.with + ", ...}";
            return reach;
        }
        reach.with = at["with"].text("ping");
        reach.expectReached = at["expect"].text("ok") == "ok";
        if (at["between"]) {
            reach.between = readPods(at, "between", "", nsDefault);
            return reach;
        }
        if (at["from"] || at["fromPod"])
            reach.from = readPods(at, "from", "fromPod", nsDefault);
        const View to = at["to"];
        if (to && to.node().isScalar())
            reach.toIp = IpAddress::parse(to.text(""));
        else if (to || at["toPod"])
            reach.to = readPods(at, "to", "toPod", nsDefault);
        if (!at.has("to") && !at.has("toPod") && !at.has("between") && reach.from)
            diagnostics_.error(at.keyPlace(), "the probe does not say what is to be reached").hint =
                "add to: ADDRESS, to: {label: value} or toPod: NAME";
        return reach;
    }

    RdmaProbe readRdma(const View& at) {
        PlacedJson expected = toJson(at.node(), diagnostics_);
        checkExpectation(expected, diagnostics_);
        return {std::move(expected)};
    }

    Reading& reading_;
    Diagnostics& diagnostics_;
};

} // namespace

std::vector<Probe> readProbes(const View& probes, Reading& reading) {
    std::vector<Probe> out;
    ProbeReader reader(reading);
    for (const View& view : probes.items()) {
        if (auto probe = reader.read(view))
            out.push_back(std::move(*probe));
    }
    return out;
}

} // namespace rdmalab::scenario
