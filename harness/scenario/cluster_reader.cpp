#include "harness/scenario/formats.h"
#include "harness/scenario/machine_reader.h"
#include "harness/scenario/reading.h"
#include "harness/scenario/uses.h"
#include "harness/scenario/yaml_value.h"
#include "sim/cluster/quantity.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace rdmalab::scenario {

namespace {

Labels readLabels(const View& at) {
    Labels out;
    for (const View& entry : at.entries())
        out[entry.key()] = entry.text("");
    return out;
}

std::string filled(std::string text, int index) {
    const std::string number = std::to_string(index);
    for (auto at = text.find("{index}"); at != std::string::npos; at = text.find("{index}", at + number.size()))
        text.replace(at, 7, number);
    return text;
}

class ClusterReader {
public:
    explicit ClusterReader(Reading& reading)
        : reading_(reading), diagnostics_(reading.diagnostics), nodeNames_(diagnostics_, "node name"),
          addresses_(diagnostics_, "address"), macs_(diagnostics_, "MAC address") {}

    void read(const View& spec) {
        Scenario& scenario = reading_.scenario;
        const View compat = spec["compat"];
        scenario.compat.place = compat ? compat.keyPlace() : Place{scenario.file, 0, 0};
        scenario.compat.spiderpool = compat["spiderpool"].text(scenario.compat.spiderpool);
        scenario.compat.kubernetes = compat["kubernetes"].text(scenario.compat.kubernetes);
        readTiers(spec);
        readFabric(spec["fabric"]);
        readNicModels(spec["nicModels"], reading_);
        for (const View& group : spec["nodes"].items())
            readGroup(group);
        if (const View helm = spec["helm"])
            readHelm(helm);
    }

private:
    void readTiers(const View& spec) {
        Scenario& scenario = reading_.scenario;
        if (const View tiers = spec["tiers"]) {
            scenario.tiers.emplace();
            for (const std::string& word : tiers.texts()) {
                for (const Tier tier : {Tier::model, Tier::netns, Tier::rxe}) {
                    if (word == name(tier) && !scenario.allows(tier))
                        scenario.tiers->push_back(tier);
                }
            }
        }
        if (const View reason = spec["tiersReason"]) {
            scenario.tiersReason = reason.text("");
            if (!spec.has("tiers"))
                diagnostics_.error(reason.keyPlace(), "a reason for tiers, but no 'tiers'").hint =
                    "say which tiers: `tiers: [model]`";
        }
    }

    void readFabric(const View& fabric) {
        Uses names(diagnostics_, "switch name");
        for (const View& one : fabric["switches"].items()) {
            const View nameView = one["name"];
            if (!nameView)
                continue;
            names.add(nameView.text(""), nameView.place());
            Switch made;
            made.name = nameView.text("");
            made.mtu = one["mtu"].integer();
            made.place = one.place();
            reading_.scenario.switches.push_back(std::move(made));
        }
    }

    void readGroup(const View& group) {
        Node prototype;
        prototype.place = group.place();
        prototype.labels = readLabels(group["labels"]);
        for (const View& taint : group["taints"].items())
            prototype.taints.push_back({taint["key"].text(""), taint["value"].text(""), taint["effect"].text(""), taint.place()});
        for (const View& entry : group["capacity"].entries()) {
            checkCapacity(entry);
            prototype.capacity[entry.key()] = entry.text("");
        }
        readCni(group["cni"]["files"], prototype);

        const auto names = nodeNames(group);
        const std::vector<View> management = group["addresses"].items();
        if (group["addresses"] && !names.empty() && group["addresses"].node().items.size() != names.size()) {
            Diagnostic& d = diagnostics_.error(group["addresses"].keyPlace(), "as many addresses as nodes are needed");
            d.expected = std::to_string(names.size());
            d.found = std::to_string(group["addresses"].node().items.size());
        }
        const std::size_t errorsBefore = diagnostics_.errors();
        MachineReader machine(reading_);
        machine.read(group, prototype);
        // The hardware model stops at the first mistake, which would often be one that has been reported.
        const auto sound = [&](const char* key) { return !group.has(key) || (group[key] && group[key].sound()); };
        if (diagnostics_.errors() == errorsBefore && sound("nics") && sound("gpus") && sound("numa"))
            machine.check(prototype, names.empty() ? "node" : names.front().first);

        for (std::size_t i = 0; i < names.size(); ++i) {
            Node node = prototype;
            node.name = names[i].first;
            node.place = names[i].second;
            node.indexInGroup = static_cast<int>(i) + 1;
            nodeNames_.add(node.name, node.place);
            if (i < management.size()) {
                if (auto cidr = Cidr::parse(management[i].text(""))) {
                    addresses_.add(cidr->address.str(), management[i].place());
                    node.address = *cidr;
                }
            }
            for (std::size_t n = 0; n < machine.nics().size(); ++n)
                fillNic(machine.nics()[n], node.nics[n], node.indexInGroup);
            reading_.scenario.nodes.push_back(std::move(node));
        }
    }

    std::vector<std::pair<std::string, Place>> nodeNames(const View& group) {
        std::vector<std::pair<std::string, Place>> out;
        for (const View& one : group["names"].items())
            out.emplace_back(one.text(""), one.place());
        const View nameTemplate = group["nameTemplate"];
        if (nameTemplate && group.has("names"))
            diagnostics_.error(nameTemplate.keyPlace(), "'nameTemplate' goes with 'count', not with 'names'");
        if (const auto count = group["count"].integer();
            count && !group.has("names") && (nameTemplate || !group.has("nameTemplate"))) {
            const Place place = group["count"].keyPlace();
            for (int i = 1; i <= *count; ++i)
                out.emplace_back(filled(nameTemplate.text("node-{index}"), i), place);
        }
        return out;
    }

    void checkCapacity(const View& entry) {
        const std::string& resource = entry.key();
        const std::string quantity = entry.text("");
        const auto parsed = cluster::Quantity::parse(quantity);
        if ((resource == "pods" || resource.find('/') != std::string::npos || resource.starts_with("hugepages-")) && parsed &&
            !parsed->isInteger()) {
            Diagnostic& d = diagnostics_.error(entry.place(), "the capacity of '" + resource + "' must be a whole number");
            d.found = quantity;
        }
        static const std::set<std::string> native = {"cpu", "memory", "pods", "ephemeral-storage"};
        if (resource.find('/') == std::string::npos && !native.contains(resource) && !resource.starts_with("hugepages-")) {
            Diagnostic& d = diagnostics_.error(entry.keyPlace(), "Kubernetes knows no resource '" + resource + "'");
            const std::string similar = nearest(resource, {native.begin(), native.end()});
            d.expected = "cpu, memory, pods, ephemeral-storage, hugepages-SIZE or DOMAIN/NAME";
            if (!similar.empty())
                d.hint = "did you mean '" + similar + "'?";
        }
    }

    void readCni(const View& files, Node& node) {
        Uses names(diagnostics_, "file name");
        for (const View& file : files.items()) {
            const std::string path = file.text("");
            const std::string base = path.substr(path.rfind('/') + 1);
            if (auto content = reading_.folder.read(path, file.place(), diagnostics_)) {
                names.add(base, file.place());
                node.cniFiles.push_back({base, std::move(*content), file.place()});
            }
        }
    }

    // What must differ between the nodes of a group.
    void fillNic(const View& view, Nic& nic, int index) {
        if (nic.mac)
            macs_.add(*nic.mac, view["mac"].place());
        for (const View& one : view["addresses"].items()) {
            const auto cidr = Cidr::parse(filled(one.text(""), index));
            if (!cidr) {
                diagnostics_.error(one.place(), "not an IP address on the node with number " + std::to_string(index)).found =
                    filled(one.text(""), index);
                return;
            }
            addresses_.add(cidr->address.str(), one.place());
            nic.addresses.push_back(*cidr);
        }
    }

    void readHelm(const View& helm) {
        Helm made;
        made.place = helm.keyPlace();
        for (const YamlEntry& entry : helm.node().entries) {
            if (entry.key == "set") {
                if (!entry.value->isList()) {
                    diagnostics_.error(entry.place, "spec.helm.set must be a list").found = describe(*entry.value);
                    continue;
                }
                for (const YamlPtr& item : entry.value->items)
                    readSet(*item, made);
            } else if (entry.key == "namespace") {
                if (entry.value->isScalar() && formats::dnsLabel.accepts(entry.value->text)) {
                    made.ns = entry.value->text;
                } else {
                    diagnostics_
                        .error(entry.value->place, "spec.helm.namespace must be " + std::string(formats::dnsLabel.expected))
                        .found = describe(*entry.value);
                }
            }
        }
        const PlacedJson all = toJson(helm.node(), diagnostics_);
        Json values = all.json();
        PlaceMap places;
        for (const char* own : {"set", "namespace"})
            values.erase(own);
        for (const auto& [pointer, place] : all.places()) {
            if (!pointer.starts_with("/set/") && pointer != "/set" && pointer != "/namespace")
                places.emplace(pointer, place);
        }
        made.values = PlacedJson(std::move(values), std::move(places));
        reading_.scenario.helm = std::move(made);
    }

    void readSet(const YamlNode& item, Helm& helm) {
        if (!item.isScalar() || !formats::helmSet.accepts(item.text)) {
            Diagnostic& d =
                diagnostics_.error(item.place, "an item of spec.helm.set must be " + std::string(formats::helmSet.expected));
            d.found = describe(item);
            d.hint = formats::helmSet.hint;
            return;
        }
        helm.set.push_back({item.text, item.place});
    }

    Reading& reading_;
    Diagnostics& diagnostics_;
    Uses nodeNames_, addresses_, macs_;
};

} // namespace

void readCluster(const View& spec, Reading& reading) {
    ClusterReader(reading).read(spec);
}

void Reading::requireNode(const View& wanted) const {
    if (!wanted)
        return;
    std::vector<std::string> known;
    for (const Node& node : scenario.nodes) {
        if (node.name == wanted.text(""))
            return;
        known.push_back(node.name);
    }
    if (known.empty())
        return; // the nodes themselves are wrong, which has been said
    Diagnostic& d = diagnostics.error(wanted.place(), "there is no node '" + wanted.text("") + "'");
    if (known.size() <= 10) {
        for (const std::string& one : known)
            d.expected += (d.expected.empty() ? "" : ", ") + one;
    }
    if (const std::string similar = nearest(wanted.text(""), known); !similar.empty())
        d.hint = "did you mean '" + similar + "'?";
}

} // namespace rdmalab::scenario
