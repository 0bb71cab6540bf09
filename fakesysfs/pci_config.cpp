#include "fakesysfs/pci_config.h"

#include <algorithm>
#include <array>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Nic;

// Capabilities where ConnectX has them.
constexpr std::size_t pmCap = 0x40, vpdCap = 0x48, pcieCap = 0x60, msixCap = 0x9c, vendorCap = 0xc0;
constexpr std::size_t aerCap = 0x100, ariCap = 0x150, sriovCap = 0x180, secondaryCap = 0x1c0, acsCap = 0x230;
constexpr std::uint64_t flag64 = 0x100000; // IORESOURCE_MEM_64

class Config {
public:
    explicit Config(std::size_t size) : bytes_(size, '\0') {}
    void put(std::size_t offset, std::uint64_t value, std::size_t width) {
        for (std::size_t i = 0; i < width; ++i)
            bytes_[offset + i] = static_cast<char>(value >> (8 * i));
    }
    void capability(std::size_t offset, unsigned id, std::size_t next) { put(offset, id | next << 8, 2); }
    void extended(std::size_t offset, unsigned id, unsigned version, std::size_t next) {
        put(offset, id | version << 16 | next << 20, 4);
    }
    // A BAR register; `first` is the register of line `line`.
    void bar(std::size_t first, int line, const Resource& resource) {
        put(first + 4 * static_cast<std::size_t>(resource.line - line), resource.start | (resource.flags & 0xf),
            resource.flags & flag64 ? 8 : 4);
    }
    std::string take() { return std::move(bytes_); }

private:
    std::string bytes_;
};

unsigned speedCode(const std::string& speed) {
    const std::array<const char*, 6> known = {"2.5", "5.0", "8.0", "16.0", "32.0", "64.0"};
    for (std::size_t i = 0; i < known.size(); ++i)
        if (speed.starts_with(known[i]))
            return static_cast<unsigned>(i + 1);
    return 1;
}

void putPcie(Config& config, std::size_t offset, unsigned flags, const hardware::PcieLink& link) {
    const unsigned lane = speedCode(link.speed) | static_cast<unsigned>(link.width) << 4;
    config.put(offset + 0x02, flags, 2);
    config.put(offset + 0x04, 0x10008fe2, 4); // 512-byte payload, function level reset
    config.put(offset + 0x08, 0x295f, 2);
    config.put(offset + 0x0c, lane, 4);
    config.put(offset + 0x10, 0x0040, 2); // common clock
    config.put(offset + 0x12, lane | 0x1000, 2);
    config.put(offset + 0x2c, (2U << speedCode(link.speed)) - 2, 4); // every speed up to the fastest
    config.put(offset + 0x30, speedCode(link.speed), 2);
}

void putHeader(Config& config, const hardware::PciFunction& pci) {
    config.put(0x00, pci.vendor | std::uint64_t(pci.device) << 16, 4);
    config.put(0x06, 0x0010, 2); // has capabilities
    config.put(0x08, pci.revision, 1);
    config.put(0x09, pci.classCode, 3);
    config.put(0x2c, pci.subsystemVendor, 2);
    config.put(0x2e, pci.subsystemDevice, 2);
}

// Memory stays decoded without a driver, bus mastering and the ban on wired interrupts come with it.
unsigned command(const hardware::PciFunction& pci) {
    return pci.driver.empty() ? 0x0142 : 0x0546;
}

void putMsix(Config& config, const hardware::PciFunction& pci, unsigned vectors, std::size_t next) {
    config.capability(msixCap, 0x11, next);
    config.put(msixCap + 2, (vectors - 1) | (pci.driver.empty() ? 0 : 0x8000), 2);
    config.put(msixCap + 4, 0x2000, 4);
    config.put(msixCap + 8, 0x3000, 4);
}

void putPowerManagement(Config& config, std::size_t next) {
    config.capability(pmCap, 0x01, next);
    config.put(pmCap + 2, 0x0003, 2);
    config.put(pmCap + 4, 0x0008, 2);
}

void putSriov(Config& config, const Nic& nic, std::size_t number, std::size_t next) {
    config.extended(sriovCap, 0x10, 1, next);
    config.put(sriovCap + 0x04, 0x2, 4); // ARI capable hierarchy preserved
    const unsigned enabled = nic.pci.numVfs ? 0x09 : 0, hierarchy = nic.pci.address.function == 0 ? 0x10 : 0;
    config.put(sriovCap + 0x08, enabled | hierarchy, 2);
    config.put(sriovCap + 0x0c, nic.pci.totalVfs, 2);
    config.put(sriovCap + 0x0e, nic.pci.totalVfs, 2);
    config.put(sriovCap + 0x10, nic.pci.numVfs, 2);
    config.put(sriovCap + 0x12, nic.pci.address.function, 1);
    config.put(sriovCap + 0x14, nic.pci.vfOffset, 2);
    config.put(sriovCap + 0x16, nic.pci.vfStride, 2);
    config.put(sriovCap + 0x1a, nic.model->sriov->vfDevice, 2);
    config.put(sriovCap + 0x1c, 0x7ff, 4);
    config.put(sriovCap + 0x20, 1, 4); // 4 KiB
    for (const Resource& resource : resources(nic, nullptr, number))
        if (resource.line >= 7)
            config.bar(sriovCap + 0x24, 7, resource);
}

void putExtended(Config& config, const Nic& nic, std::size_t number) {
    const bool first = nic.pci.address.function == 0, sriov = nic.model->sriov && nic.pci.totalVfs;
    const std::size_t afterSriov = first ? secondaryCap : acsCap;
    config.extended(aerCap, 0x01, 2, ariCap);
    const unsigned nextFunction = nic.pci.address.function + 1U < nic.pci.cardFunctions ? nic.pci.address.function + 1U : 0;
    config.extended(ariCap, 0x0e, 1, sriov ? sriovCap : afterSriov);
    config.put(ariCap + 4, nextFunction << 8, 2);
    if (sriov)
        putSriov(config, nic, number, afterSriov);
    if (first)
        config.extended(secondaryCap, 0x19, 1, acsCap);
    config.extended(acsCap, 0x0d, 1, 0);
}

// Ids, memory decoding, BARs and the interrupt pin are the physical function's business (SR-IOV specification 3.4).
std::string vfConfig(const Nic& vf) {
    Config config(4096);
    putHeader(config, vf.pci);
    config.put(0x00, 0xffffffff, 4);
    config.put(0x04, vf.pci.driver.empty() ? 0 : 0x0004, 2);
    config.put(0x34, pcieCap, 1);
    config.capability(pcieCap, 0x10, msixCap);
    putPcie(config, pcieCap, 0x0002, *vf.model->pcie);
    constexpr unsigned vectors = 12;
    putMsix(config, vf.pci, vectors, 0);
    config.extended(aerCap, 0x01, 2, ariCap);
    config.extended(ariCap, 0x0e, 1, 0);
    return config.take();
}

} // namespace

unsigned interruptLine(const hardware::PciAddress& address) {
    return 16U + (address.bus + 2U * address.device + address.function) % 16U;
}

std::string configSpace(const Nic& nic, const Nic* pf, std::size_t number) {
    const hardware::NicModel& model = *nic.model;
    if (pf && model.pcie)
        return vfConfig(nic);
    Config config(model.pcie ? 4096 : 256);
    putHeader(config, nic.pci);
    config.put(0x04, command(nic.pci), 2);
    config.put(0x0c, 0x10, 1);
    config.put(0x0e, nic.pci.multifunction ? 0x80 : 0, 1);
    for (const Resource& resource : resources(nic, pf, number))
        if (resource.line <= 5)
            config.bar(0x10, 0, resource);
    config.put(0x34, model.pcie ? pcieCap : msixCap, 1);
    config.put(0x3c, interruptLine(nic.pci.address), 1);
    config.put(0x3d, nic.pci.address.function % 4 + 1U, 1);
    constexpr unsigned vectors = 64;
    putMsix(config, nic.pci, vectors, model.pcie ? vendorCap : 0);
    if (!model.pcie)
        return config.take();
    config.capability(pcieCap, 0x10, vpdCap);
    putPcie(config, pcieCap, 0x0002, *model.pcie);
    config.capability(vpdCap, 0x03, msixCap);
    config.capability(vendorCap, 0x09, pmCap);
    config.put(vendorCap + 2, 0x18, 1);
    putPowerManagement(config, 0);
    putExtended(config, nic, number);
    return config.take();
}

std::string configSpace(const hardware::PlainFunction& plain, std::size_t number) {
    Config config(plain.pcie ? 4096 : 256);
    putHeader(config, plain.pci);
    config.put(0x04, command(plain.pci), 2);
    config.put(0x0e, plain.pci.multifunction ? 0x80 : 0, 1);
    for (const Resource& resource : resources(plain, number))
        config.bar(0x10, 0, resource);
    config.put(0x34, pmCap, 1);
    config.put(0x3c, interruptLine(plain.pci.address), 1);
    config.put(0x3d, 1, 1);
    putPowerManagement(config, plain.pcie ? pcieCap : 0);
    if (!plain.pcie)
        return config.take();
    config.capability(pcieCap, 0x10, 0);
    putPcie(config, pcieCap, 0x0002, *plain.pcie);
    config.extended(aerCap, 0x01, 2, 0);
    return config.take();
}

std::string configSpace(const hardware::Bridge& bridge, const std::vector<Resource>& windows) {
    Config config(4096);
    config.put(0x00, bridge.vendor | std::uint64_t(bridge.device) << 16, 4);
    config.put(0x04, 0x0547, 2);
    config.put(0x06, 0x0010, 2);
    config.put(0x08, 0x04, 1);
    config.put(0x09, 0x060400, 3);
    config.put(0x0c, 0x10, 1);
    config.put(0x0e, 0x01, 1);
    config.put(0x18, bridge.bridges.empty() ? bridge.rootBus : bridge.address.bus, 1);
    config.put(0x19, bridge.secondaryBus, 1);
    config.put(0x1a, bridge.subordinateBus, 1);
    config.put(0x1c, 0x00f0, 2);     // closed: base above limit
    config.put(0x20, 0x0000fff0, 4); // the same for memory
    config.put(0x24, 0x0001fff1, 4); // and prefetchable memory, of 64 bit
    for (const Resource& window : windows) {
        const std::uint64_t last = window.start + window.size - 1;
        const bool wide = window.line == 15;
        config.put(wide ? 0x24 : 0x20, (window.start >> 16 & 0xfff0) | (wide ? 1 : 0), 2);
        config.put(wide ? 0x26 : 0x22, (last >> 16 & 0xfff0) | (wide ? 1 : 0), 2);
        if (wide) {
            config.put(0x28, window.start >> 32, 4);
            config.put(0x2c, last >> 32, 4);
        }
    }
    config.put(0x34, pcieCap, 1);
    config.put(0x3c, interruptLine(bridge.address), 1);
    config.put(0x3d, 1, 1);
    constexpr unsigned version = 2, slot = 0x100;
    const unsigned type = bridge.kind == hardware::Bridge::Kind::rootPort       ? 4U << 4 | slot
                          : bridge.kind == hardware::Bridge::Kind::upstreamPort ? 5U << 4
                                                                                : 6U << 4 | slot;
    config.capability(pcieCap, 0x10, pmCap);
    putPcie(config, pcieCap, version | type, bridge.pcie.value_or(hardware::PcieLink{"8.0 GT/s PCIe", 16}));
    config.capability(pmCap, 0x01, 0);
    config.put(pmCap + 2, 0xc803, 2);
    return config.take();
}

std::string vitalProductData(const Nic& nic) {
    const auto tag = [](unsigned char id, const std::string& content) {
        std::string text(1, static_cast<char>(id));
        text += static_cast<char>(content.size() & 0xff);
        text += static_cast<char>(content.size() >> 8);
        return text + content;
    };
    const auto field = [](const std::string& name, const std::string& value) {
        return name + static_cast<char>(value.size()) + value;
    };
    std::string serial = nic.port.mac;
    std::erase(serial, ':');
    serial = serial.substr(serial.size() - std::min<std::size_t>(serial.size(), 12));
    const std::string readOnly = field("SN", serial) + field("RV", std::string(1, '\0'));
    std::string data = tag(0x82, nic.model->name + " adapter") + tag(0x90, readOnly);
    unsigned char sum = 0;
    for (const char c : data)
        sum = static_cast<unsigned char>(sum + static_cast<unsigned char>(c));
    data.back() = static_cast<char>(-sum); // everything up to here adds up to zero
    return data + '\x78';
}

} // namespace rdmalab::fakesysfs
