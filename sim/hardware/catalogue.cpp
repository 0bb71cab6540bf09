#include "sim/hardware/catalogue.h"

#include "sim/hardware/builtin_models.h"
#include "sim/hardware/hardware_error.h"
#include "sim/hardware/naming.h"
#include "sim/hardware/yaml_reader.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <sstream>

namespace rdmalab::hardware {
namespace {

const std::vector<std::string> charDeviceKinds = {"uverbs", "umad", "issm", "rdma_cm"};

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return result;
}

// The texts below `key`, each one of `allowed`.
std::vector<std::string> choices(YamlReader& reader, const std::string& key, const std::vector<std::string>& allowed) {
    const YAML::Node list = reader.node(key);
    std::vector<std::string> chosen = reader.texts(key);
    for (std::size_t i = 0; i < chosen.size(); ++i)
        if (std::find(allowed.begin(), allowed.end(), chosen[i]) == allowed.end())
            reader.fail(list[i], fmt::format("'{}' is none of {}", chosen[i], fmt::join(allowed, ", ")));
    return chosen;
}

Bar readBar(YamlReader reader) {
    Bar bar;
    bar.index = static_cast<int>(reader.number("index", 5));
    bar.size = reader.size("size");
    bar.wide = reader.flag("wide");
    bar.prefetchable = reader.flag("prefetchable");
    if (bar.wide && bar.index == 5)
        reader.fail(reader.node("index"), "a 64-bit BAR takes two registers and cannot be the last one");
    reader.finish();
    return bar;
}

void readPci(YamlReader pci, NicModel& model) {
    model.vendor = static_cast<std::uint16_t>(pci.hex("vendor", 4));
    model.device = static_cast<std::uint16_t>(pci.hex("device", 4));
    model.subsystemVendor = static_cast<std::uint16_t>(pci.hex("subsystemVendor", 4));
    model.subsystemDevice = static_cast<std::uint16_t>(pci.hex("subsystemDevice", 4));
    model.classCode = static_cast<std::uint32_t>(pci.hex("class", 6));
    model.revision = static_cast<std::uint8_t>(pci.hex("revision", 2));
    model.ports = static_cast<unsigned>(pci.number("functions", 8));
    for (YamlReader& bar : pci.mappings("bars"))
        model.bars.push_back(readBar(bar));
    if (auto link = pci.mapping("link")) {
        model.pcie = PcieLink{link->text("speed"), static_cast<int>(link->number("width", 32))};
        link->finish();
    }
    pci.finish();
}

SriovModel readSriov(YamlReader reader) {
    SriovModel sriov;
    sriov.totalVfs = static_cast<unsigned>(reader.number("totalVfs", 65535));
    sriov.vfDevice = static_cast<std::uint16_t>(reader.hex("vfDevice", 4));
    sriov.offset = reader.text("offset") == "functions" ? 0 : static_cast<unsigned>(reader.number("offset", 65535));
    sriov.stride = static_cast<unsigned>(reader.number("stride", 65535));
    sriov.driver = reader.text("driver");
    if (auto bar = reader.mapping("bar"))
        sriov.bar = readBar(*bar);
    reader.finish();
    return sriov;
}

RdmaModel readRdma(YamlReader reader) {
    RdmaModel rdma;
    rdma.driver = reader.text("driver");
    rdma.namePrefix = reader.text("namePrefix");
    rdma.driverId = static_cast<unsigned>(reader.number("driverId", 255));
    rdma.uverbsAbi = static_cast<unsigned>(reader.number("uverbsAbi", 255));
    rdma.firmware = reader.textOr("firmware", "");
    rdma.hcaType = reader.textOr("hcaType", "");
    rdma.boardId = reader.textOr("boardId", "");
    rdma.hardwareRevision = reader.textOr("hardwareRevision", "");
    rdma.gidTableLength = static_cast<unsigned>(reader.number("gidTableLength", 1024));
    rdma.pkeyTableLength = static_cast<unsigned>(reader.number("pkeyTableLength", 128));
    const auto types = choices(reader, "gidTypes", {"v1", "v2"});
    rdma.roceV1 = std::find(types.begin(), types.end(), "v1") != types.end();
    rdma.roceV2 = std::find(types.begin(), types.end(), "v2") != types.end();
    rdma.rate = reader.text("rate");
    rdma.infinibandRate = reader.textOr("infinibandRate", rdma.rate);
    rdma.charDevices = choices(reader, "charDevices", charDeviceKinds);
    rdma.counters = reader.texts("counters");
    reader.finish();
    return rdma;
}

NicModel readModel(YamlReader reader) {
    NicModel model;
    model.name = reader.text("name");
    model.aliases = reader.texts("aliases");
    model.description = reader.textOr("description", model.name);
    readPci(reader.requiredMapping("pci"), model);
    model.driver = reader.text("driver");
    model.modules = reader.texts("modules");
    model.childBus = reader.textOr("childBus", "");
    model.linkLayers.clear();
    for (const std::string& layer : choices(reader, "linkLayers", {"ethernet", "infiniband"}))
        model.linkLayers.push_back(layer == "ethernet" ? LinkLayer::ethernet : LinkLayer::infiniband);
    if (model.linkLayers.empty())
        model.linkLayers.push_back(LinkLayer::ethernet);
    model.speedMbps = static_cast<unsigned>(reader.numberOr("speed", 0, 10'000'000));
    const auto prefix = normalMac(reader.text("macPrefix"), 3);
    if (!prefix)
        reader.fail(reader.node("macPrefix"), "'macPrefix' must be three octets such as b8:ce:f6");
    model.macPrefix = *prefix;
    model.portNames = reader.flag("portNames");
    if (auto sriov = reader.mapping("sriov"))
        model.sriov = readSriov(*sriov);
    if (auto rdma = reader.mapping("rdma"))
        model.rdma = readRdma(*rdma);
    if (model.sriov && !model.pcie)
        reader.fail(reader.node("sriov"), "SR-IOV needs a PCI Express device ('pci.link')");
    reader.finish();
    return model;
}

} // namespace

const Catalogue& Catalogue::builtIn() {
    static const Catalogue catalogue = [] {
        Catalogue result;
        for (const BuiltInModel& model : builtInModels())
            result.loadText(model.text, "catalogue/" + model.fileName);
        return result;
    }();
    return catalogue;
}

void Catalogue::loadFile(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        throw SystemError("open " + path, errno);
    std::ostringstream text;
    text << file.rdbuf();
    if (file.bad() || text.bad())
        throw SystemError("read " + path, errno);
    loadText(text.str(), path);
}

void Catalogue::loadText(const std::string& text, const std::string& fileName) {
    YAML::Node document;
    try {
        document = YAML::Load(text);
    } catch (const YAML::ParserException& error) {
        throw HardwareError(fmt::format("{}:{}:{}", fileName, error.mark.line + 1, error.mark.column + 1), error.msg);
    }
    auto model = std::make_shared<const NicModel>(readModel(YamlReader(document, fileName)));
    byName_[model->name] = std::move(model);
}

std::shared_ptr<const NicModel> Catalogue::model(std::string_view name, const std::string& field) const {
    const std::string wanted = lower(name);
    std::vector<std::string> known = names();
    for (const auto& [modelName, model] : byName_) {
        const auto matches = [&](const std::string& alias) { return lower(alias) == wanted; };
        if (matches(modelName) || std::any_of(model->aliases.begin(), model->aliases.end(), matches))
            return model;
    }
    const auto meant = closest(name, known);
    throw HardwareError(field, fmt::format("unknown NIC model '{}'{}; known are {}", name,
                                           meant ? fmt::format(", did you mean '{}'?", *meant) : "", fmt::join(known, ", ")));
}

std::vector<std::string> Catalogue::names() const {
    std::vector<std::string> result;
    for (const auto& [name, model] : byName_)
        result.push_back(name);
    return result;
}

} // namespace rdmalab::hardware
