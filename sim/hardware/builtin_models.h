// The files of catalogue/ as the build embedded them.
#pragma once

#include <string>
#include <vector>

namespace rdmalab::hardware {

struct BuiltInModel {
    std::string fileName, text;
};

const std::vector<BuiltInModel>& builtInModels();

} // namespace rdmalab::hardware
