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
#include <regex>
#include <set>

namespace rdmalab::hardware {
namespace {

const std::vector<std::string> charDeviceKinds = {"uverbs", "umad", "issm", "rdma_cm"};

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return result;
}

// The texts below `key`, each a file name in sysfs.
std::vector<std::string> words(YamlReader& reader, const std::string& key) {
    const YAML::Node list = reader.node(key);
    std::vector<std::string> found = reader.texts(key);
    for (std::size_t i = 0; i < found.size(); ++i)
        if (!isWord(found[i]))
            reader.fail(list[i], fmt::format("'{}' must be made of letters, digits, '-', '_' and '.'", found[i]));
        else if (std::count(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(i), found[i]) != 0)
            reader.fail(list[i], fmt::format("'{}' is there twice", found[i]));
    return found;
}

// "8.0 GT/s PCIe", as the kernel prints it (pci_speed_string).
PcieLink readLink(YamlReader reader) {
    static const std::vector<std::string> speeds = {"2.5 GT/s PCIe",  "5.0 GT/s PCIe",  "8.0 GT/s PCIe",
                                                    "16.0 GT/s PCIe", "32.0 GT/s PCIe", "64.0 GT/s PCIe"};
    static const std::vector<int> widths = {1, 2, 4, 8, 12, 16, 32};
    PcieLink link{reader.text("speed"), static_cast<int>(reader.number("width", 32))};
    if (std::find(speeds.begin(), speeds.end(), link.speed) == speeds.end())
        reader.fail(reader.node("speed"), fmt::format("'{}' is none of {}", link.speed, fmt::join(speeds, ", ")));
    if (std::find(widths.begin(), widths.end(), link.width) == widths.end())
        reader.fail(reader.node("width"), fmt::format("'{}' is none of {}", link.width, fmt::join(widths, ", ")));
    reader.finish();
    return link;
}

// "100 Gb/sec (4X EDR)", as the kernel prints it (rate_show).
std::string readRate(YamlReader& reader, const std::string& key) {
    static const std::regex form(R"([0-9]+(\.5)? Gb/sec \((1|2|4|8|12)X (SDR|DDR|QDR|FDR10|FDR|EDR|HDR|NDR|XDR)\))");
    const std::string rate = reader.text(key);
    if (!std::regex_match(rate, form))
        reader.fail(reader.node(key), fmt::format("'{}' must look like '100 Gb/sec (4X EDR)', found '{}'", key, rate));
    return rate;
}

// The texts below `key`, each one of `allowed`.
std::vector<std::string> choices(YamlReader& reader, const std::string& key, const std::vector<std::string>& allowed) {
    const YAML::Node list = reader.node(key);
    std::vector<std::string> chosen = reader.texts(key);
    for (std::size_t i = 0; i < chosen.size(); ++i)
        if (std::find(allowed.begin(), allowed.end(), chosen[i]) == allowed.end())
            reader.fail(list[i], fmt::format("'{}' is none of {}", chosen[i], fmt::join(allowed, ", ")));
        else if (std::count(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(i), chosen[i]) != 0)
            reader.fail(list[i], fmt::format("'{}' is there twice", chosen[i]));
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
    model.ports = static_cast<unsigned>(pci.positive("functions", 8));
    std::set<int> registers;
    for (YamlReader& bar : pci.mappings("bars")) {
        model.bars.push_back(readBar(bar));
        const Bar& made = model.bars.back();
        if (!registers.insert(made.index).second || (made.wide && !registers.insert(made.index + 1).second))
            bar.fail(bar.node("index"), fmt::format("BAR {} needs a register that another one has", made.index));
    }
    if (auto link = pci.mapping("link"))
        model.pcie = readLink(*link);
    pci.finish();
}

SriovModel readSriov(YamlReader reader, const NicModel& model) {
    SriovModel sriov;
    sriov.totalVfs = static_cast<unsigned>(reader.positive("totalVfs", 65535));
    sriov.vfDevice = static_cast<std::uint16_t>(reader.hex("vfDevice", 4));
    sriov.offset = reader.text("offset") == "functions" ? 0 : static_cast<unsigned>(reader.positive("offset", 65535));
    sriov.stride = static_cast<unsigned>(reader.positive("stride", 65535));
    sriov.driver = reader.word("driver");
    if (auto bar = reader.mapping("bar"))
        sriov.bar = readBar(*bar);
    // Even on bus 01, the lowest behind a port, the last VF of a full card needs a routing id.
    const std::uint64_t vfs = std::uint64_t(sriov.totalVfs) * model.ports;
    if (0x100 + (sriov.offset ? sriov.offset : model.ports) + (vfs - 1) * sriov.stride > 0xffff)
        reader.fail(reader.node("totalVfs"), fmt::format("{} VFs with stride {} reach beyond bus ff", vfs, sriov.stride));
    reader.finish();
    return sriov;
}

RdmaModel readRdma(YamlReader reader) {
    RdmaModel rdma;
    rdma.driver = reader.word("driver");
    rdma.namePrefix = reader.word("namePrefix");
    rdma.driverId = static_cast<unsigned>(reader.number("driverId", 255));
    rdma.uverbsAbi = static_cast<unsigned>(reader.number("uverbsAbi", 255));
    rdma.firmware = reader.textOr("firmware", "");
    rdma.hcaType = reader.textOr("hcaType", "");
    rdma.boardId = reader.textOr("boardId", "");
    rdma.hardwareRevision = reader.textOr("hardwareRevision", "");
    rdma.gidTableLength = static_cast<unsigned>(reader.positive("gidTableLength", 1024));
    rdma.pkeyTableLength = static_cast<unsigned>(reader.positive("pkeyTableLength", 128));
    const auto types = choices(reader, "gidTypes", {"v1", "v2"});
    rdma.roceV1 = std::find(types.begin(), types.end(), "v1") != types.end();
    rdma.roceV2 = std::find(types.begin(), types.end(), "v2") != types.end();
    rdma.rate = readRate(reader, "rate");
    rdma.infinibandRate = reader.node("infinibandRate").IsDefined() ? readRate(reader, "infinibandRate") : rdma.rate;
    rdma.charDevices = choices(reader, "charDevices", charDeviceKinds);
    rdma.counters = words(reader, "counters");
    reader.finish();
    return rdma;
}

NicModel readModel(YamlReader reader) {
    NicModel model;
    model.name = reader.text("name");
    model.aliases = reader.texts("aliases");
    model.description = reader.textOr("description", model.name);
    readPci(reader.requiredMapping("pci"), model);
    model.driver = reader.word("driver");
    model.modules = words(reader, "modules");
    if (reader.node("childBus").IsDefined())
        model.childBus = reader.word("childBus");
    model.linkLayers.clear();
    for (const std::string& layer : choices(reader, "linkLayers", {"ethernet", "infiniband"}))
        model.linkLayers.push_back(layer == "ethernet" ? LinkLayer::ethernet : LinkLayer::infiniband);
    if (model.linkLayers.empty())
        model.linkLayers.push_back(LinkLayer::ethernet);
    model.speedMbps = static_cast<unsigned>(reader.numberOr("speed", 0, 10'000'000));
    const auto prefix = normalMac(reader.text("macPrefix"), 3);
    if (!prefix)
        reader.fail(reader.node("macPrefix"), "'macPrefix' must be three octets such as b8:ce:f6");
    if (std::stoi(prefix->substr(0, 2), nullptr, 16) & 1)
        reader.fail(reader.node("macPrefix"), fmt::format("'{}' begins multicast addresses: its first octet is odd", *prefix));
    model.macPrefix = *prefix;
    model.portNames = reader.flag("portNames");
    if (auto sriov = reader.mapping("sriov"))
        model.sriov = readSriov(*sriov, model);
    if (auto rdma = reader.mapping("rdma"))
        model.rdma = readRdma(*rdma);
    if (model.sriov && !model.pcie)
        reader.fail(reader.node("sriov"), "SR-IOV needs a PCI Express device ('pci.link')");
    if (model.supports(LinkLayer::infiniband) && !model.rdma)
        reader.fail(reader.node("linkLayers"), "an InfiniBand port needs 'rdma'");
    if (model.rdma && model.supports(LinkLayer::ethernet) && !model.rdma->roceV1 && !model.rdma->roceV2)
        reader.fail(reader.node("rdma"), "RDMA over Ethernet needs 'gidTypes': v1, v2 or both");
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
    constexpr std::streamsize largest = 1 << 20;
    std::ifstream file(path);
    if (!file)
        throw SystemError("open " + path, errno);
    std::string text(largest, '\0');
    file.read(text.data(), largest);
    if (file.bad())
        throw SystemError("read " + path, errno);
    if (!file.eof())
        throw HardwareError(path + ":1:1", "is larger than 1 MiB, which no NIC is");
    text.resize(static_cast<std::size_t>(file.gcount()));
    loadText(text, path);
}

void Catalogue::loadText(const std::string& text, const std::string& fileName) {
    std::vector<YAML::Node> documents;
    try {
        documents = YAML::LoadAll(text);
    } catch (const YAML::Exception& error) {
        throw HardwareError(
            fmt::format("{}:{}:{}", fileName, std::max(error.mark.line, 0) + 1, std::max(error.mark.column, 0) + 1), error.msg);
    }
    if (documents.empty())
        throw HardwareError(fileName + ":1:1", "the file is empty");
    YamlReader reader(documents.front(), fileName);
    if (documents.size() > 1)
        reader.fail(documents[1], "a second document: one NIC is one file");
    auto model = std::make_shared<const NicModel>(readModel(reader));
    std::erase_if(byName_, [&](const auto& known) { return lower(known.first) == lower(model->name); });
    byName_[model->name] = std::move(model);
}

std::shared_ptr<const NicModel> Catalogue::model(std::string_view name, const std::string& field) const {
    const std::string wanted = lower(name);
    const std::vector<std::string> known = names();
    const auto matches = [&](const std::string& text) { return lower(text) == wanted; };
    for (const auto& [modelName, model] : byName_)
        if (matches(modelName))
            return model;
    for (const auto& [modelName, model] : byName_)
        if (std::any_of(model->aliases.begin(), model->aliases.end(), matches))
            return model;
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
