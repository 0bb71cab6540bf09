#include "fakesysfs/pci_writes.h"
#include "fakesysfs/store.h"

#include <cctype>
#include <cerrno>
#include <vector>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Bridge;
using hardware::DriverId;
using hardware::Machine;
using hardware::PciAddress;

constexpr std::size_t page = 4096;

const Bridge* findBridge(const Machine& machine, const PciAddress& address) {
    for (const Bridge& bridge : machine.bridges())
        if (bridge.address == address)
            return &bridge;
    return nullptr;
}

// A device by its exact name, as bus_find_device_by_name does.
PciAddress deviceNamed(const Machine& machine, std::string_view text) {
    const std::string_view name = withoutNewline(text);
    const auto address = PciAddress::parse(name);
    if (!address || address->str() != name || (!machine.findFunction(*address) && !findBridge(machine, *address)))
        refuse("device name", ENODEV);
    return *address;
}

void bind(Machine& machine, const std::string& driver, std::string_view text) {
    const PciAddress address = deviceNamed(machine, text);
    if (const Bridge* bridge = findBridge(machine, address))
        refuse("bind", bridge->driver == driver ? EBUSY : ENODEV);
    machine.bindDriver(driver, address);
}

void unbind(Machine& machine, const std::string& driver, std::string_view text) {
    const PciAddress address = deviceNamed(machine, text);
    if (const Bridge* bridge = findBridge(machine, address))
        refuse("unbind", bridge->driver == driver ? EBUSY : ENODEV); // the model's bridges keep their driver
    machine.unbindDriver(driver, address);
}

void probe(Machine& machine, std::string_view text) {
    const PciAddress address = deviceNamed(machine, text);
    if (machine.findFunction(address))
        machine.probeDriver(address);
}

// sscanf("%x %x ..."): as many hexadecimal numbers as there are, then anything.
std::vector<std::uint64_t> hexFields(std::string_view text, std::size_t most) {
    std::vector<std::uint64_t> fields;
    const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
    const auto hex = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
    while (fields.size() < most) {
        while (!text.empty() && space(text.front()))
            text.remove_prefix(1);
        if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && hex(text[2]))
            text.remove_prefix(2);
        std::size_t length = 0;
        while (length < text.size() && hex(text[length]))
            ++length;
        if (length == 0)
            break;
        std::uint64_t value = 0;
        for (const char c : text.substr(0, length))
            value = value << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        fields.push_back(value);
        text.remove_prefix(length);
    }
    return fields;
}

constexpr std::uint64_t anyId = 0xffffffff; // PCI_ANY_ID

// VENDOR DEVICE [SUBVENDOR SUBDEVICE CLASS MASK DRIVERDATA]
DriverId driverId(std::string_view text, std::size_t most) {
    const auto fields = hexFields(text, most);
    if (fields.size() < 2)
        refuse("id", EINVAL);
    DriverId id;
    id.vendor = static_cast<std::uint16_t>(fields[0]);
    id.device = static_cast<std::uint16_t>(fields[1]);
    if (fields.size() > 2 && fields[2] != anyId)
        id.subsystemVendor = static_cast<std::uint16_t>(fields[2]);
    if (fields.size() > 3 && fields[3] != anyId)
        id.subsystemDevice = static_cast<std::uint16_t>(fields[3]);
    if (fields.size() > 6 && fields[6] != 0) // only values of the driver's own table
        refuse("id", EINVAL);
    return id;
}

} // namespace

Directory::Write busStore(Machine* machine, const std::string& name) {
    if (!machine)
        return nullptr;
    if (name == "uevent")
        return ueventStore();
    if (name == "resource_alignment")
        return [machine](std::string_view written) -> std::size_t {
            if (written.size() >= page - 1)
                refuse("resource_alignment", EINVAL);
            const std::string_view text = cText(written);
            if (!written.empty())
                machine->keep(0, "resource_alignment", std::string(text.substr(0, text.find('\n'))));
            return written.size();
        };
    return textStore([machine, name](std::string_view text) {
        if (name == "drivers_probe")
            probe(*machine, text);
        else if (name == "drivers_autoprobe") // anything but 0 switches it on
            machine->setDriversAutoprobe(!text.starts_with('0'));
        else if (name == "rescan" && parsePlain(text))
            machine->rescanBus();
    });
}

Directory::Write driverStore(Machine* machine, const std::string& driver, const std::string& name) {
    if (!machine)
        return nullptr;
    if (name == "uevent")
        return ueventStore();
    return textStore([machine, driver, name](std::string_view text) {
        if (!machine->findDriver(driver))
            refuse("driver", ENODEV);
        if (name == "bind")
            bind(*machine, driver, text);
        else if (name == "unbind")
            unbind(*machine, driver, text);
        else if (name == "new_id")
            machine->addDriverId(driver, driverId(text, 7));
        else if (name == "remove_id")
            machine->removeDriverId(driver, driverId(text, 6));
    });
}

} // namespace rdmalab::fakesysfs
