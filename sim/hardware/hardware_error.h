// A mistake in the description of hardware: which field, and what is wrong with it.
#pragma once

#include <stdexcept>
#include <string>

namespace rdmalab::hardware {

// what() is "FIELD: MESSAGE". `field` is a path into the MachineSpec such as "nics[1].pci", or FILE:LINE:COLUMN for a
// catalogue file.
class HardwareError : public std::invalid_argument {
public:
    HardwareError(std::string field, std::string message)
        : std::invalid_argument(field + ": " + message), field_(std::move(field)), message_(std::move(message)) {}
    const std::string& field() const noexcept { return field_; }
    const std::string& message() const noexcept { return message_; }

private:
    std::string field_, message_;
};

} // namespace rdmalab::hardware
