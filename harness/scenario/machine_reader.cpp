#include "harness/scenario/machine_reader.h"

#include "harness/scenario/formats.h"
#include "harness/scenario/machine_spec.h"
#include "harness/scenario/uses.h"
#include "sim/hardware/catalogue.h"
#include "sim/hardware/hardware_error.h"
#include "sim/hardware/machine.h"
#include "sim/hardware/naming.h"
#include "sim/hardware/pci_address.h"

#include <re2/re2.h>

#include <algorithm>

namespace rdmalab::scenario {

namespace {

std::optional<std::uint32_t> hex(const View& at) {
    const auto text = at.text();
    return text ? std::optional(static_cast<std::uint32_t>(std::stoul(*text, nullptr, 16))) : std::nullopt;
}

std::optional<std::uint16_t> id(const View& at) {
    const auto value = hex(at);
    return value ? std::optional(static_cast<std::uint16_t>(*value)) : std::nullopt;
}

} // namespace

void readNicModels(const View& files, Reading& reading) {
    if (!files)
        return;
    auto catalogue = std::make_shared<hardware::Catalogue>(hardware::Catalogue::builtIn());
    for (const View& file : files.items()) {
        const std::string path = file.text("");
        const auto content = reading.folder.read(path, file.place(), reading.diagnostics);
        if (!content)
            continue;
        const std::string shown = reading.folder.shown(path);
        try {
            catalogue->loadText(*content, shown);
        } catch (const hardware::HardwareError& e) {
            Place place{shown, 0, 0};
            RE2::FullMatch(e.field(), ".*:([0-9]+):([0-9]+)", &place.line, &place.column);
            reading.diagnostics.error(place, "this is no NIC model: " + e.message());
        }
    }
    reading.scenario.catalogue = std::move(catalogue);
}

void MachineReader::read(const View& group, Node& prototype) {
    if (group["rdma"]["netns"].text("shared") == "exclusive")
        prototype.rdmaNetns = RdmaNetns::exclusive;
    if (group["rdma"]["naming"].text("kernel") == "udev")
        prototype.rdmaNaming = RdmaNaming::udev;
    prototype.iommu = group["iommu"].boolean(true);
    numa_ = group["numa"].items();
    for (const View& node : numa_)
        prototype.numa.push_back({node["id"].integer().value_or(0), node["cpus"].text(""), node.place()});
    readNics(group["nics"], prototype);
    readGpus(group["gpus"], prototype);
}

void MachineReader::readNics(const View& nics, Node& prototype) {
    Uses netdevs(diagnostics_, "netdev name"), rdmas(diagnostics_, "RDMA device name"), pcis(diagnostics_, "PCI address");
    nics_ = nics.items();
    for (const View& view : nics_) {
        Nic nic;
        nic.place = view.place();
        if (const View model = view["model"]) {
            nic.model = model.text("");
            checkModel(model);
        }
        if (const View pci = view["pci"]) {
            if (const auto parsed = hardware::PciAddress::parse(pci.text(""))) {
                nic.pci = parsed->str();
                pcis.add(nic.pci, pci.place());
            }
        }
        nic.netdev = view["netdev"].text();
        if (nic.netdev)
            netdevs.add(*nic.netdev, view["netdev"].place());
        nic.rdma = view["rdma"].text();
        if (nic.rdma)
            rdmas.add(*nic.rdma, view["rdma"].place());
        if (const View at = view["switch"]) {
            nic.switchName = at.text();
            checkSwitch(at);
        }
        nic.numa = view["numa"].integer();
        if (const auto mac = view["mac"].text())
            nic.mac = hardware::normalMac(*mac, 6);
        nic.mtu = view["mtu"].integer();
        nic.linkUp = view["link"].text("up") == "up";
        if (const View devices = view["charDevices"])
            nic.charDevices = devices.texts();
        nic.slot = view["slot"].integer();
        nic.linkLayer = view["linkLayer"].text();
        nic.totalVfs = view["totalVfs"].integer();
        nic.numVfs = view["numVfs"].integer().value_or(0);
        if (view["rdmaEnabled"])
            nic.rdmaEnabled = view["rdmaEnabled"].boolean(true);
        if (const auto guid = view["nodeGuid"].text())
            nic.nodeGuid = formats::parseGuid(*guid);
        nic.pcieSwitch = view["pcieSwitch"].text();
        prototype.nics.push_back(std::move(nic));
    }
}

void MachineReader::readGpus(const View& gpus, Node& prototype) {
    gpus_ = gpus.items();
    for (const View& view : gpus_) {
        Gpu gpu;
        gpu.place = view.place();
        gpu.model = view["model"].text("");
        if (const auto parsed = hardware::PciAddress::parse(view["pci"].text("")))
            gpu.pci = parsed->str();
        gpu.numa = view["numa"].integer();
        gpu.pcieSwitch = view["pcieSwitch"].text();
        gpu.vendor = id(view["vendor"]);
        gpu.device = id(view["device"]);
        gpu.classCode = hex(view["class"]);
        gpu.driver = view["driver"].text();
        prototype.gpus.push_back(std::move(gpu));
    }
}

void MachineReader::checkModel(const View& model) const {
    const hardware::Catalogue& catalogue = *reading_.scenario.catalogue;
    try {
        catalogue.model(model.text(""));
    } catch (const hardware::HardwareError&) {
        Diagnostic& d = diagnostics_.error(model.place(), "unknown NIC model '" + model.text("") + "'");
        for (const std::string& known : catalogue.names())
            d.expected += (d.expected.empty() ? "" : ", ") + known;
        if (const auto similar = hardware::closest(model.text(""), catalogue.names()))
            d.hint = "did you mean '" + *similar + "'?";
    }
}

void MachineReader::checkSwitch(const View& at) const {
    std::vector<std::string> known;
    for (const Switch& one : reading_.scenario.switches)
        known.push_back(one.name);
    if (std::find(known.begin(), known.end(), at.text("")) != known.end())
        return;
    Diagnostic& d = diagnostics_.error(at.place(), "there is no switch '" + at.text("") + "'");
    const std::string similar = nearest(at.text(""), known);
    d.hint = !similar.empty() ? "did you mean '" + similar + "'?"
             : known.empty()  ? "add it: `fabric: {switches: [{name: " + at.text("") + "}]}`"
                              : "switches are listed in spec.fabric.switches";
}

void MachineReader::check(Node prototype, const std::string& nodeName) const {
    if (prototype.nics.empty() && prototype.gpus.empty() && prototype.numa.empty())
        return;
    prototype.name = nodeName;
    try {
        const hardware::Machine machine(machineSpec(prototype), *reading_.scenario.catalogue);
    } catch (const hardware::HardwareError& e) {
        diagnostics_.error(placeOf(e.field(), prototype.place), "there is no such hardware: " + e.message());
    }
}

// Of a field of the MachineSpec: "nics[1].charDevices[0]".
Place MachineReader::placeOf(const std::string& field, const Place& otherwise) const {
    std::string list, key;
    std::size_t index = 0;
    if (!RE2::PartialMatch(field, "^(nics|gpus|numa)\\[([0-9]+)\\](?:\\.([A-Za-z]+))?", &list, &index, &key))
        return otherwise;
    const std::vector<View>& views = list == "nics" ? nics_ : list == "gpus" ? gpus_ : numa_;
    if (index >= views.size())
        return otherwise;
    const View part = views[index][key == "up" || key == "cabled" ? "link" : key];
    std::size_t item = 0;
    if (part && RE2::PartialMatch(field, "\\[([0-9]+)\\]$", &item) && part.node().isList() && item < part.items().size())
        return part.items()[item].place();
    return part ? part.place() : views[index].place();
}

} // namespace rdmalab::scenario
