// The NIC models that rdmalab knows: those shipped with it, plus files of the user.
#pragma once

#include "sim/hardware/nic_model.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::hardware {

// Models are shared so that a Machine outlives the catalogue it was built from.
class Catalogue {
public:
    // The files of catalogue/, compiled into the library: the same in a build tree and in an installation.
    static const Catalogue& builtIn();

    // Adds a model, replacing one of the same name. HardwareError with field FILE:LINE:COLUMN for anything that is missing,
    // misspelt (with a suggestion) or impossible; SystemError when the file cannot be read.
    void loadFile(const std::string& path);
    void loadText(const std::string& text, const std::string& fileName);

    // By name or alias, ignoring case. HardwareError(field, ...) with the closest known name.
    std::shared_ptr<const NicModel> model(std::string_view name, const std::string& field = "model") const;
    std::vector<std::string> names() const; // sorted

private:
    std::map<std::string, std::shared_ptr<const NicModel>> byName_;
};

} // namespace rdmalab::hardware
