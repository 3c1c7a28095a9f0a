#include "image/tower.h"
