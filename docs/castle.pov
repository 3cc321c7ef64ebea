// castle.pov : the sample picture castle_image.jpg, a castle on its hill in
// the light of a late afternoon.  One unit is one metre, y is up, the viewer
// stands in the south (negative z) and looks north.
//
// The picture is made such that the embedded network, which sees it squeezed
// to 224 x 224, ranks the class "castle" first.
//
// Made from the repository root by these two commands (POV-Ray 3.7, and
// Python with Pillow):
//
//   povray +Idocs/castle.pov +Ocastle.png +W800 +H480 +A0.3 +R2 -J +WT2 -D
//   python -c "from PIL import Image; Image.open('castle.png').convert('RGB').save('castle_image.jpg', quality=88, optimize=True)"
//
// castle.png is only on the way there and may be deleted.  Rendering takes
// about a minute on two cores.
//
// Everything random comes from seeded streams or from noise at fixed places,
// so that each run gives the same picture.

#version 3.7;
#include "functions.inc"

global_settings {
  assumed_gamma 1.0
  max_trace_level 6
}

// ---------------------------------------------------------------------------
// Helpers
// ---------------------------------------------------------------------------

// 0 below e0, 1 above e1, smooth between them.
#declare F_Clip = function(v) { max(0, min(1, v)) }
#declare F_Ease = function(v) { v*v*(3 - 2*v) }
#declare F_Step = function(e0, e1, v) { F_Ease(F_Clip((v - e0)/(e1 - e0))) }

#macro Between(Stream, Low, High)
  (Low + (High - Low)*rand(Stream))
#end

// ---------------------------------------------------------------------------
// Camera, sun, sky, haze
// ---------------------------------------------------------------------------

#declare Eye = <3, -4.5, -108>;

camera {
  location Eye
  right x*image_width/image_height
  angle 44
  look_at <1, 13.2, 0>
}

// A low warm sun from the left, in front of the castle: it lights the gate
// side, rakes over the masonry and leaves the east side in shade.  The area
// is a little larger than the real sun's, for soft edges; there is no jitter,
// which would differ from run to run.
#declare SunDir = vnormalize(<-0.80, 0.48, -0.62>);
light_source {
  SunDir*4000
  color srgb <1.00, 0.89, 0.72>*1.72
  area_light vnormalize(vcross(SunDir, y))*70, vnormalize(vcross(SunDir, vcross(SunDir, y)))*70, 4, 4
  adaptive 1 circular orient
}

// The sky's own light: many weak lamps spread evenly over the dome (steps of
// the golden angle), each with its shadow.  Together they darken corners and
// the undersides of the battlements as radiosity would, but give the same
// picture whatever the number of threads.
#declare Lamps = 18;
#declare I = 0;
#while (I < Lamps)
  #local Up = 0.10 + 0.88*(I + 0.5)/Lamps;
  #local Around = I*2.39996;
  light_source {
    <cos(Around)*sqrt(1 - Up*Up), Up, sin(Around)*sqrt(1 - Up*Up)>*3000
    color srgb <0.62, 0.77, 1.00>*(0.195 + 0.03*Up)
  }
  #declare I = I + 1;
#end
// Light thrown back by the sunny ground, without shadows.
light_source { <-600, -900, -1500> color srgb <0.95, 0.88, 0.66>*0.22 shadowless }

#declare C_Horizon = srgb <0.80, 0.86, 0.91>;

// Clouds lie on a flat layer overhead: dividing by the height draws them
// together towards the horizon, as in nature.
#declare F_Billow = function {
  pattern { bozo turbulence 0.55 octaves 7 omega 0.56 lambda 2.15 }
}
#declare F_Cloud = function(x, y, z) {
  F_Billow(3.3*x/(max(y, 0) + 0.30) + 1.9, 2.7, 2.0*z/(max(y, 0) + 0.30) + 3.6)
}
sky_sphere {
  pigment {
    gradient y
    color_map {
      [0.00 color C_Horizon]
      [0.10 color srgb <0.64, 0.77, 0.90>]
      [0.30 color srgb <0.39, 0.59, 0.84>]
      [0.60 color srgb <0.22, 0.43, 0.74>]
    }
  }
  pigment {
    function { F_Cloud(x, y, z) }
    pigment_map {
      [0.50 color srgbt <1, 1, 1, 1>]
      [0.57 color srgbt <1, 1, 1, 0.55>]
      [0.70 // lit where the cloud thins towards the sun, grey where it thickens
        function { 0.5 + 1.6*(F_Cloud(x, y, z) - F_Cloud(x - 0.05, y + 0.02, z)) }
        color_map {
          [0.25 color srgbt <1.00, 0.985, 0.95, 0.06>]
          [0.75 color srgbt <0.82, 0.85, 0.89, 0.06>]
        }
      ]
    }
  }
}

fog {
  fog_type 2
  distance 1700
  fog_offset -40
  fog_alt 55
  up y
  color C_Horizon
}

// ---------------------------------------------------------------------------
// The land
// ---------------------------------------------------------------------------

#declare CastleTurn = 24;     // degrees about y: shows the gate side and the east side

// The path leaves the gate, swings west and comes back towards the viewer.
#declare F_PathX = function(z) { -7.4 - 6.0*sin(0.072*max(0, -z - 17)) + 0.12*max(0, -z - 17) }
#declare F_Path = function(x, z) {
  (1 - F_Step(1.1, 2.3, abs(x - F_PathX(z)) + 1.3*(f_noise3d(x*0.7, 4, z*0.7) - 0.5)))
  * F_Step(-12, -16, z)
}

// The castle's hill, small humps on it, and the far hills.
#declare F_Land = function(x, z) {
  - 12.5*F_Step(19, 64, sqrt(0.62*x*x + z*z))
  - 16*F_Step(70, 260, sqrt(x*x + z*z))
  + F_Step(22, 45, sqrt(x*x + z*z))*(1.0 - 0.8*F_Path(x, z))
    *(3.0*(f_noise3d(x*0.05, 1.5, z*0.05) - 0.5) + 0.8*(f_noise3d(x*0.22, 7.5, z*0.22) - 0.5))
  - 0.25*F_Path(x, z)
  + F_Step(250, 1300, z)*230*(f_noise3d(x*0.0019 + 3.3, 2.2, z*0.0019) - 0.18)
  + F_Step(250, 1300, z)*34*(f_noise3d(x*0.0085, 5.2, z*0.0085) - 0.5)
  + F_Step(2200, 4600, z)*560*(f_noise3d(x*0.0011 + 0.7, 9.2, z*0.0011) - 0.12)
}

// A fan of triangles that widens with the distance, fine near the viewer.
#declare LandU = 200;
#declare LandV = 300;
#macro LandPoint(I, J)
  #local D = 18*pow(310, J/LandV);
  #local X = Eye.x + (2*I/LandU - 1)*(12 + 0.72*D);
  #local Z = Eye.z + D;
  <X, F_Land(X, Z), Z>
#end
#macro LandNormal(P)
  #local E = 0.15;
  vnormalize(<F_Land(P.x - E, P.z) - F_Land(P.x + E, P.z), 2*E,
              F_Land(P.x, P.z - E) - F_Land(P.x, P.z + E)>)
#end

#declare T_Land = texture {
  pigment {
    function { F_Path(x, z) }
    pigment_map {
      [0.25 // grass: lush and dry patches
        pigment_pattern {
          function { 0.55*f_noise3d(x*0.09, 3, z*0.09) + 0.45*f_noise3d(x*1.3, 6, z*1.3) }
          color_map { [0 rgb 0] [1 rgb 1] }
        }
        pigment_map {
          [0.30 color srgb <0.22, 0.32, 0.11>]
          [0.50 color srgb <0.36, 0.44, 0.16>]
          [0.66 color srgb <0.55, 0.53, 0.25>]
        }
      ]
      [0.65 // trodden earth and gravel
        bozo scale 0.35 turbulence 0.6
        color_map {
          [0.2 color srgb <0.52, 0.44, 0.32>]
          [0.6 color srgb <0.68, 0.60, 0.46>]
          [0.9 color srgb <0.76, 0.70, 0.58>]
        }
      ]
    }
  }
  normal { granite 0.25 scale 1.2 }
  finish { ambient 0.02 diffuse 0.85 }
}

// Woods and fields, for the land behind the castle.
#declare T_FarLand = texture {
  pigment {
    function { 0.6*f_noise3d(x*0.006, 3, z*0.006) + 0.4*f_noise3d(x*0.03, 8, z*0.03) }
    color_map {
      [0.38 color srgb <0.17, 0.26, 0.13>]
      [0.47 color srgb <0.24, 0.33, 0.15>]
      [0.50 color srgb <0.45, 0.50, 0.24>]
      [0.62 color srgb <0.55, 0.55, 0.30>]
    }
  }
  normal { bumps 0.8 scale 9 }
  finish { ambient 0.02 diffuse 0.8 }
}

#declare LandMesh = mesh {
  #local J = 0;
  #while (J < LandV)
    #local I = 0;
    #local A = LandPoint(0, J);      #local NA = LandNormal(A);
    #local B = LandPoint(0, J + 1);  #local NB = LandNormal(B);
    #while (I < LandU)
      #local C = LandPoint(I + 1, J);      #local NC = LandNormal(C);
      #local D2 = LandPoint(I + 1, J + 1); #local ND = LandNormal(D2);
      smooth_triangle { A, NA, B, NB, C, NC }
      smooth_triangle { B, NB, D2, ND, C, NC }
      #local A = C;  #local NA = NC;
      #local B = D2; #local NB = ND;
      #local I = I + 1;
    #end
    #local J = J + 1;
  #end
}
object {
  LandMesh
  texture {
    function { F_Step(60, 200, z) }
    texture_map { [0 T_Land] [1 T_FarLand] }
  }
}

// ---------------------------------------------------------------------------
// Masonry
// ---------------------------------------------------------------------------
// A wall's surface is unrolled to u (along) and v (up), in metres.  Courses
// differ a little in height and blocks in length, because noise stretches
// both axes; each block has its own tone.

#declare BlockLong = 0.98;
#declare BlockHigh = 0.47;

#declare F_Course = function(v) { v/BlockHigh + 0.26*sin(v*1.9) }
#declare F_Along = function(u, k) {       // k: number of the course
  u/BlockLong + 0.5*(k - 2*floor(k/2)) + 0.75*f_noise3d(u*0.55, k*3.17, 5.1)
}
#declare F_Fold = function(w) { min(w - floor(w), 1 - w + floor(w)) }

// 0 in the joints, 1 on the blocks.
#declare F_Joint = function(u, v) {
  F_Clip((min(F_Fold(F_Along(u, floor(F_Course(v))))*BlockLong, F_Fold(F_Course(v))*BlockHigh)
    + 0.05*(f_noise3d(u*5, v*5, 1.1) - 0.5))/0.085)
}
// The tone of a block, about 0.2 ... 0.8.
#declare F_Tone = function(u, v) {
  f_noise3d(floor(F_Along(u, floor(F_Course(v))))*3.73, floor(F_Course(v))*5.41, 2.3)
}

#declare CM_Stone = color_map {
  [0.22 color srgb <0.47, 0.43, 0.38>]
  [0.38 color srgb <0.60, 0.55, 0.48>]
  [0.50 color srgb <0.70, 0.65, 0.56>]
  [0.60 color srgb <0.74, 0.66, 0.54>]
  [0.76 color srgb <0.84, 0.80, 0.72>]
}

// The three layers of a stone surface; U is a function of the place that
// gives u, Top the height where rain stains begin.
#macro StoneLayers(Unroll, Top)
  texture {
    pigment {
      function { F_Joint(Unroll(x, y, z), y) }
      pigment_map {
        [0.00 color srgb <0.46, 0.41, 0.35>]
        [0.75 function { 0.75*F_Tone(Unroll(x, y, z), y) + 0.25*f_noise3d(x*2.5, y*2.5, z*2.5) }
              color_map { CM_Stone }]
      }
    }
    normal {
      function { 0.10*F_Joint(Unroll(x, y, z), y) + 0.10*f_noise3d(x*3, y*3, z*3)
                 + 0.06*F_Tone(Unroll(x, y, z), y) }
      1.1
      accuracy 0.01
    }
    finish { ambient 0.02 diffuse 0.80 }
  }
  // Rain streaks that fade downwards from the top, and broad darker fields.
  texture {
    pigment {
      function {
        F_Step(0.44, 0.66, f_noise3d(Unroll(x, y, z)*1.3, y*0.09, 3.3))*F_Step(Top - 10, Top - 1, y)
        + 0.65*F_Step(0.45, 0.70, f_noise3d(x*0.16, y*0.20, z*0.16))
      }
      color_map {
        [0.0 color srgbt <0.24, 0.21, 0.18, 1.00>]
        [1.0 color srgbt <0.25, 0.23, 0.20, 0.40>]
      }
    }
    finish { ambient 0.02 diffuse 0.80 }
  }
  // Moss and damp near the ground.
  texture {
    pigment {
      function { F_Step(4.5, -1.5, y + 5*(f_noise3d(x*0.5, y*0.5, z*0.5) - 0.5)) }
      color_map {
        [0.0 color srgbt <0.25, 0.27, 0.15, 1.00>]
        [1.0 color srgbt <0.23, 0.26, 0.13, 0.25>]
      }
    }
    finish { ambient 0.02 diffuse 0.80 }
  }
#end

// Flat walls stand along x or z, so x + z runs along either face.
#macro FlatStone(Top)
  #local F_U = function(x, y, z) { x + z + 40 }
  StoneLayers(F_U, Top)
#end
// Round walls stand about the y axis; the seam is at the back.
#macro RoundStone(Radius, Top)
  #local F_U = function(x, y, z) { Radius*atan2(x, -z) + 40 }
  StoneLayers(F_U, Top)
#end

// Smooth dressed stone for frames, corbels and string courses.
#declare T_Dressed = texture {
  pigment {
    bozo scale 0.6 turbulence 0.4
    color_map {
      [0.2 color srgb <0.62, 0.57, 0.50>]
      [0.8 color srgb <0.76, 0.72, 0.64>]
    }
  }
  normal { granite 0.15 scale 0.8 }
  finish { ambient 0.02 diffuse 0.8 }
}
#declare T_Dark = texture {
  pigment { color srgb <0.13, 0.11, 0.10> }
  finish { ambient 0 diffuse 0.6 }
}
#declare T_Wood = texture {
  pigment {
    wood turbulence 0.1 scale <0.12, 4, 0.12>
    color_map { [0 color srgb <0.30, 0.20, 0.12>] [1 color srgb <0.42, 0.29, 0.18>] }
  }
  finish { ambient 0.02 diffuse 0.7 }
}
#declare T_Iron = texture {
  pigment { color srgb <0.16, 0.15, 0.15> }
  finish { ambient 0.02 diffuse 0.6 specular 0.2 roughness 0.05 }
}

// Slates: rows of small plates; u counts plates along the row, v rows.
#declare F_SlateStep = function(u, v) { 1 - (v - floor(v)) }
#declare F_SlateTone = function(u, v) {
  f_noise3d(floor(u + 0.5*(floor(v) - 2*floor(v/2)))*3.3, floor(v)*4.7, 8.1)
}
#declare F_SlateGap = function(u, v) {
  F_Clip(F_Fold(u + 0.5*(floor(v) - 2*floor(v/2)))/0.10)
}
#declare CM_Slate = color_map {
  [0.20 color srgb <0.27, 0.31, 0.38>]
  [0.50 color srgb <0.38, 0.43, 0.51>]
  [0.80 color srgb <0.50, 0.54, 0.60>]
}
#macro SlateLayers(Across, Upward)
  texture {
    pigment {
      function { F_SlateGap(Across(x, y, z), Upward(x, y, z))*F_Clip(8*F_SlateStep(0, Upward(x, y, z))) }
      pigment_map {
        [0.0 color srgb <0.20, 0.22, 0.27>]
        [0.8 function { F_SlateTone(Across(x, y, z), Upward(x, y, z)) } color_map { CM_Slate }]
      }
    }
    normal { function { 0.12*F_SlateStep(0, Upward(x, y, z)) } 1 accuracy 0.01 }
    finish { ambient 0.02 diffuse 0.75 specular 0.12 roughness 0.06 }
  }
  // Lichen and wear.
  texture {
    pigment {
      bozo scale 1.6 turbulence 0.7
      color_map {
        [0.50 color srgbt <0.45, 0.42, 0.30, 1.0>]
        [0.85 color srgbt <0.45, 0.42, 0.30, 0.5>]
      }
    }
    finish { ambient 0.02 diffuse 0.75 }
  }
#end

// ---------------------------------------------------------------------------
// Parts of the castle
// ---------------------------------------------------------------------------

// Openings are cut into a wall whose outer face is the plane z = 0, with the
// wall behind it; a frame of dressed stone sits around each.
#macro ArchShape(W, H, Z0, Z1)             // W wide, H high to the arch's crown
  union {
    box { <-W/2, 0, Z0>, <W/2, H - W/2, Z1> }
    cylinder { <0, H - W/2, Z0>, <0, H - W/2, Z1>, W/2 }
  }
#end
#declare SlitCut = union {
  box { <-0.15, 0, -1>, <0.15, 2.1, 1.2> }
  box { <-0.36, 1.15, -1>, <0.36, 1.40, 1.2> }
}
#declare SlitFrame = difference {
  union {
    box { <-0.42, -0.2, -0.04>, <0.42, 2.35, 0.5> }
    box { <-0.62, 0.9, -0.04>, <0.62, 1.62, 0.5> }
  }
  object { SlitCut }
  texture { T_Dressed }
}
#declare WindowCut = object { ArchShape(1.1, 2.3, -1, 1.0) }
#declare WindowFrame = union {
  difference {
    object { ArchShape(1.7, 2.6, -0.08, 0.4) }
    object { WindowCut }
  }
  box { <-1.0, -0.25, -0.16>, <1.0, 0, 0.4> }
  box { <-0.06, 0, 0.25>, <0.06, 2.3, 0.4> }
  box { <-0.55, 1.2, 0.25>, <0.55, 1.3, 0.4> }
  texture { T_Dressed }
}

// Places an opening on a round wall, Angle degrees east of its south side.
#macro OnRound(Radius, Angle, Y)
  translate <0, Y, -Radius>
  rotate -y*Angle
#end

// Merlons and gaps around a round parapet.
#macro RoundParapet(Radius, Y, Merlons)
  difference {
    cylinder { y*(Y - 0.7), y*(Y + 1.75), Radius }
    cylinder { y*(Y + 0.1), y*(Y + 2), Radius - 0.55 }
    #local I = 0;
    #while (I < Merlons)
      box { <-0.22*2*pi*Radius/Merlons, Y + 0.75, -Radius - 1>, <0.22*2*pi*Radius/Merlons, Y + 3, 0>
            rotate y*360*I/Merlons }
      #local I = I + 1;
    #end
    RoundStone(Radius, Y + 2)
  }
#end
#macro RoundCorbels(Radius, Out, Y, Count)
  union {
    #local I = 0;
    #while (I < Count)
      union {
        box { <-0.17, -0.45, -Radius - Out>, <0.17, 0, -Radius + 0.2> }
        box { <-0.17, -0.85, -Radius - Out*0.5>, <0.17, -0.4, -Radius + 0.2> }
        rotate y*360*I/Count
      }
      #local I = I + 1;
    #end
    translate y*Y
    texture { T_Dressed }
  }
#end

// A conical slate roof with a small flare at the eaves and a gilt knob.
#macro ConeRoof(Radius, Y, High)
  union {
    #local Plates = floor(2*pi*Radius/0.55);
    #local F_U = function(x, y, z) { Plates*(atan2(x, -z)/(2*pi) + 0.5) }
    #local F_V = function(x, y, z) { y/0.48 }
    union {
      cone { 0, Radius, y*High, 0.02 }
      cone { -y*0.35, Radius + 0.45, y*High*0.12, Radius*0.90 }
      SlateLayers(F_U, F_V)
    }
    cylinder { -y*0.6, -y*0.35, Radius + 0.35 texture { T_Wood } }
    union {
      sphere { y*(High + 0.1), 0.22 }
      cylinder { y*High, y*(High + 1.6), 0.06 }
      pigment { color srgb <0.80, 0.62, 0.25> }
      finish { ambient 0.02 diffuse 0.5 specular 0.6 roughness 0.03 metallic }
    }
    translate y*Y
  }
#end

// A long pennant on a pole; it blows east.
#macro Flag(Y, Long)
  union {
    cylinder { 0, y*5.5, 0.08 texture { T_Wood } }
    mesh {
      #local N = 16;
      #local I = 0;
      #while (I < N)
        #local A = I/N; #local B = (I + 1)/N;
        #local PA = <A*Long, 5.2 - 0.5*A*A, 0.30*A*sin(9*A)>;
        #local PB = <B*Long, 5.2 - 0.5*B*B, 0.30*B*sin(9*B)>;
        #local HA = 1.5*(1 - 0.75*A); #local HB = 1.5*(1 - 0.75*B);
        triangle { PA, PB, PA - y*HA }
        triangle { PB, PB - y*HB, PA - y*HA }
        #local I = I + 1;
      #end
      pigment { color srgb <0.60, 0.09, 0.08> }
      finish { ambient 0.08 diffuse 0.8 }
    }
    translate y*Y
  }
#end

// A round tower with a battered foot.  Roof: the height of its conical roof, 0
// for none; Eaves: 0 sets the roof within a parapet, 1 on a windowed wall head
// instead of it; SlitAngle: where the arrow slits are, degrees east of south.
#macro RoundTower(Radius, High, Merlons, Roof, Eaves, SlitAngle)
  #local Out = 0.5;
  union {
    difference {
      union {
        cylinder { -y*9, y*High, Radius }
        cone { -y*9, Radius*1.35, y*3.2, Radius }
      }
      #local Y = 4;
      #local K = 0;
      #while (Y < High - 5)
        object { SlitCut OnRound(Radius, SlitAngle + 38*(mod(K, 3) - 1), Y) texture { T_Dark } }
        #local Y = Y + 4.2;
        #local K = K + 1;
      #end
      RoundStone(Radius, High)
    }
    #local Y = 4;
    #local K = 0;
    #while (Y < High - 5)
      object { SlitFrame OnRound(Radius, SlitAngle + 38*(mod(K, 3) - 1), Y) }
      #local Y = Y + 4.2;
      #local K = K + 1;
    #end
    torus { Radius, 0.16 translate y*3.3 texture { T_Dressed } }
    RoundCorbels(Radius, Out, High - 0.65, floor(2*pi*Radius/0.95))
    #if (Eaves)
      union {
        difference {
          cylinder { y*(High - 0.7), y*(High + 2.4), Radius + Out }
          #local I = 0;
          #while (I < 12)
            object { ArchShape(0.75, 1.4, -1, 1) OnRound(Radius + Out, I*30 + SlitAngle, High + 0.4)
                     texture { T_Dark } }
            #local I = I + 1;
          #end
          RoundStone(Radius + Out, High + 2.4)
        }
        ConeRoof(Radius + Out, High + 2.9, Roof)
      }
    #else
      RoundParapet(Radius + Out, High, Merlons)
      #if (Roof > 0)
        cylinder { y*High, y*(High + 1.5), Radius - 0.75 RoundStone(Radius, High + 4) }
        ConeRoof(Radius - 0.75, High + 2.0, Roof)
      #end
    #end
  }
#end

// Merlons on a straight parapet along x, from 0 to Long, outer face z = 0.
#macro StraightParapet(Long, Y, Top)
  #local N = max(2, floor(Long/2.3 + 0.5));
  #local Pitch = Long/(N - 0.42);
  union {
    box { <0, Y - 0.7, 0>, <Long, Y + 0.75, 0.6> }
    #local I = 0;
    #while (I < N)
      box { <I*Pitch, Y + 0.7, 0>, <I*Pitch + 0.58*Pitch, Y + 1.75, 0.6> }
      #local I = I + 1;
    #end
    FlatStone(Top)
  }
  // coping stones on the merlons
  union {
    #local I = 0;
    #while (I < N)
      box { <I*Pitch - 0.06, Y + 1.75, -0.07>, <I*Pitch + 0.58*Pitch + 0.06, Y + 1.90, 0.67> }
      #local I = I + 1;
    #end
    texture { T_Dressed }
  }
#end
#macro StraightCorbels(Long, Out, Y)
  union {
    #local N = floor(Long/0.95);
    #local I = 0;
    #while (I < N)
      union {
        box { <-0.17, -0.45, -Out>, <0.17, 0, 0.1> }
        box { <-0.17, -0.85, -Out*0.5>, <0.17, -0.4, 0.1> }
        translate x*(I + 0.5)*Long/N
      }
      #local I = I + 1;
    #end
    translate y*Y
    texture { T_Dressed }
  }
#end

// A square tower about the y axis, Wide x Deep.
#macro SquareTower(Wide, Deep, High)
  #local Out = 0.5;
  union {
    difference {
      box { <-Wide/2, -9, -Deep/2>, <Wide/2, High, Deep/2> }
      // openings, south and east
      #local Y = 5;
      #while (Y < High - 4)
        object { WindowCut translate <-Wide*0.22, Y, -Deep/2> texture { T_Dark } }
        object { WindowCut translate <Wide*0.22, Y, -Deep/2> texture { T_Dark } }
        object { WindowCut rotate -y*90 translate <Wide/2, Y, -Deep*0.22> texture { T_Dark } }
        object { WindowCut rotate -y*90 translate <Wide/2, Y, Deep*0.22> texture { T_Dark } }
        #local Y = Y + 5.4;
      #end
      FlatStone(High)
    }
    #local Y = 5;
    #while (Y < High - 4)
      object { WindowFrame translate <-Wide*0.22, Y, -Deep/2> }
      object { WindowFrame translate <Wide*0.22, Y, -Deep/2> }
      object { WindowFrame rotate -y*90 translate <Wide/2, Y, -Deep*0.22> }
      object { WindowFrame rotate -y*90 translate <Wide/2, Y, Deep*0.22> }
      #local Y = Y + 5.4;
    #end
    // flat buttresses at the corners and a string course
    union {
      box { <-Wide/2 - 0.3, -9, -Deep/2 - 0.3>, <-Wide/2 + 1.4, High - 2.2, -Deep/2 + 1.4> }
      box { <Wide/2 - 1.4, -9, -Deep/2 - 0.3>, <Wide/2 + 0.3, High - 2.2, -Deep/2 + 1.4> }
      box { <Wide/2 - 1.4, -9, Deep/2 - 1.4>, <Wide/2 + 0.3, High - 2.2, Deep/2 + 0.3> }
      FlatStone(High)
    }
    #local I = 0;
    #while (I < 4)
      #local L = select(mod(I, 2) - 0.5, Wide, Deep);
      #local D = select(mod(I, 2) - 0.5, Deep, Wide);
      union {
        object { StraightCorbels(L, Out, High - 0.65) translate <-L/2, 0, -D/2> }
        union { StraightParapet(L + 2*Out, High, High + 2) translate <-L/2 - Out, 0, -D/2 - Out> }
        rotate y*90*I
      }
      #local I = I + 1;
    #end
  }
#end

// A curtain wall along x from 0 to Long, outer face z = 0, with slits.
#macro Curtain(Long, High)
  #local N = floor(Long/5.2);
  union {
    difference {
      union {
        box { <0, -9, 0>, <Long, High, 2.2> }
        // battered foot
        intersection {
          box { <0, -9, -1.6>, <Long, 2.2, 1> }
          plane { vnormalize(<0, 1.6, -11.2>), 0 translate y*2.2 }
        }
      }
      #local I = 0;
      #while (I < N)
        object { SlitCut translate <(I + 0.5)*Long/N, 3.6, 0> texture { T_Dark } }
        #local I = I + 1;
      #end
      FlatStone(High)
    }
    #local I = 0;
    #while (I < N)
      object { SlitFrame translate <(I + 0.5)*Long/N, 3.6, 0> }
      #local I = I + 1;
    #end
    object { StraightCorbels(Long, 0.4, High - 0.65) }
    union { StraightParapet(Long, High, High + 2) translate -z*0.4 }
  }
#end

// A hall with a steep slate roof; the ridge runs along x.
#macro Hall(Long, Deep, High, RoofHigh)
  union {
    difference {
      union {
        box { <-Long/2, 0, -Deep/2>, <Long/2, High, Deep/2> }
        intersection {          // the gables
          box { <-Long/2, High - 1, -Deep/2>, <Long/2, High + RoofHigh, Deep/2> }
          plane { vnormalize(<0, Deep/2, -RoofHigh>), 0 translate <0, High, -Deep/2> }
          plane { vnormalize(<0, Deep/2, RoofHigh>), 0 translate <0, High, Deep/2> }
        }
      }
      #local I = 0;
      #local N = floor(Long/3.4);
      #while (I < N)
        object { WindowCut translate <-Long/2 + (I + 0.5)*Long/N, High - 3.4, -Deep/2> texture { T_Dark } }
        #local I = I + 1;
      #end
      object { WindowCut rotate -y*90 translate <Long/2, High - 1.2, 0> texture { T_Dark } }
      FlatStone(High)
    }
    #local I = 0;
    #while (I < N)
      object { WindowFrame translate <-Long/2 + (I + 0.5)*Long/N, High - 3.4, -Deep/2> }
      #local I = I + 1;
    #end
    object { WindowFrame rotate -y*90 translate <Long/2, High - 1.2, 0> }
    #local F_U = function(x, y, z) { x/0.55 }
    #local F_V = function(x, y, z) { y/0.42 }
    #local Pitch = degrees(atan2(RoofHigh, Deep/2));
    #local Slope = sqrt(RoofHigh*RoofHigh + Deep*Deep/4);
    #local I = 0;
    #while (I < 2)
      box { <-Long/2 - 0.3, -0.5, 0>, <Long/2 + 0.3, Slope + 0.15, 0.25>
            SlateLayers(F_U, F_V)
            translate -z*0.25
            rotate x*(90 - Pitch)
            translate <0, High, -Deep/2>
            rotate y*180*I }
      #local I = I + 1;
    #end
  }
#end

// The gatehouse: two towers and an arched passage with a portcullis.
#macro Gatehouse()
  #local GW = 4.0;  #local GH = 6.0;       // the opening
  #local Front = -3.4;
  union {
    difference {
      box { <-4.2, -9, Front>, <4.2, 12, 5> }
      object { ArchShape(GW, GH, Front - 1, 4.5) texture { T_Dark } }
      object { WindowCut translate <-1.3, 8.0, Front> texture { T_Dark } }
      object { WindowCut translate <1.3, 8.0, Front> texture { T_Dark } }
      FlatStone(12)
    }
    object { WindowFrame translate <-1.3, 8.0, Front> }
    object { WindowFrame translate <1.3, 8.0, Front> }
    // the arch's wedge stones, standing a little proud
    union {
      #local I = 0;
      #while (I < 13)
        box { <GW/2 - 0.02, -0.235, -0.14 - 0.05*mod(I, 2)>, <GW/2 + 0.75 + 0.12*mod(I, 2), 0.235, 0.4>
              rotate z*(180*(I + 0.5)/13) }
        #local I = I + 1;
      #end
      translate <0, GH - GW/2, Front>
      texture { T_Dressed }
    }
    union {
      #local I = 0;
      #while (I < 7)
        #local W = 0.62 + 0.22*mod(I, 2);
        box { <GW/2 - 0.02, I*0.58 - 0.1, Front - 0.14>, <GW/2 + W, I*0.58 + 0.46, Front + 0.4> }
        box { <-GW/2 - W, I*0.58 - 0.1, Front - 0.14>, <-GW/2 + 0.02, I*0.58 + 0.46, Front + 0.4> }
        #local I = I + 1;
      #end
      texture { T_Dressed }
    }
    // portcullis, half raised
    union {
      #local I = -4;
      #while (I <= 4)
        box { <I*0.45 - 0.07, 2.3, 0>, <I*0.45 + 0.07, GH + 0.2, 0.12> }
        cone { <I*0.45, 2.3, 0.06>, 0.09, <I*0.45, 1.95, 0.06>, 0 }
        #local I = I + 1;
      #end
      #local I = 0;
      #while (I < 7)
        box { <-GW/2, 2.55 + I*0.55, -0.04>, <GW/2, 2.68 + I*0.55, 0.1> }
        #local I = I + 1;
      #end
      translate z*(Front + 1.1)
      texture { T_Iron }
    }
    object { StraightCorbels(8.4, 0.5, 11.35) translate <-4.2, 0, Front> }
    union { StraightParapet(8.4, 12, 14) translate <-4.2, 0, Front - 0.5> }
    object { RoundTower(3.5, 14.5, 11, 0, 0, 10) translate <-5.6, 0, -2.6> }
    object { RoundTower(3.5, 14.5, 11, 0, 0, -10) translate <5.6, 0, -2.6> }
  }
#end

// ---------------------------------------------------------------------------
// The castle
// ---------------------------------------------------------------------------

#declare HalfW = 25;  #declare South = -15;  #declare North = 20;

union {
  // curtain walls: south in two parts, east, west; the north is hidden
  object { Curtain(HalfW - 8, 9.5) translate <-HalfW, 0, South> }
  object { Curtain(HalfW - 8, 9.5) translate <8, 0, South> }
  object { Curtain(North - South, 9.5) rotate -y*90 translate <HalfW, 0, South> }
  object { Curtain(North - South, 9.5) rotate y*90 translate <-HalfW, 0, North> }

  object { Gatehouse() translate z*South }

  // corner towers
  object { RoundTower(4.6, 15.5, 13, 0, 0, 14) translate <-HalfW, 0, South> }
  object { RoundTower(5.0, 17.0, 14, 9.5, 0, 20) translate <HalfW, 0, South> }
  object { RoundTower(4.4, 15.0, 13, 8.5, 0, 40) translate <HalfW, 0, North> }
  object { RoundTower(4.2, 19.5, 13, 9.0, 1, 10) translate <-HalfW, 0, North> }

  // the keep, with a stair turret at its corner
  object { SquareTower(14, 13, 24) translate <4, 0, 6> }
  object { RoundTower(2.4, 26.5, 9, 7.5, 1, 20) translate <11, 0, -0.5> }
  object { Flag(25, 4.5) translate <0, 0, 3> }

  // a slender tower behind, the tallest
  object { RoundTower(3.6, 28, 11, 10, 1, 15) translate <-13, 0, 14> }
  // lesser square tower in the east
  object { SquareTower(7.5, 7.5, 18) translate <19, 0, 9> }

  object { Hall(15, 10, 13, 8.5) translate <-15.5, 0, 1> }
  object { Flag(16, 3.6) translate <-HalfW, 0, South> }

  rotate y*CastleTurn
}

// ---------------------------------------------------------------------------
// Trees, bushes, rocks, grass
// ---------------------------------------------------------------------------

// Leaves are small triangles near the surface of a few round clumps; their
// normals lean outwards, so that a crown is lit like a body and not like
// confetti.
#macro LeafClump(Stream, Centre, Size, Count, Leaf)
  #local I = 0;
  #while (I < Count)
    #local Dir = vnormalize(<rand(Stream) - 0.5, rand(Stream) - 0.42, rand(Stream) - 0.5>);
    #local P = Centre + Dir*Size*(1.12 - 0.75*pow(rand(Stream), 1.7));
    #local A = vnormalize(<rand(Stream) - 0.5, rand(Stream) - 0.5, rand(Stream) - 0.5>);
    #local B = vnormalize(vcross(A, Dir + <0.01, 0.02, 0.03>));
    #local Nn = vnormalize(Dir + 0.55*A);
    smooth_triangle { P - A*Leaf, Nn, P + A*Leaf, Nn, P + B*Leaf*1.1, Nn }
    #local I = I + 1;
  #end
#end
#macro LeafTexture(Dark, Light)
  texture {
    pigment { bozo scale 0.45 color_map { [0.25 color Dark] [0.75 color Light] } }
    finish { ambient 0.03 diffuse 0.9 }
  }
#end

// A broad-leaved tree about ten metres high.
#macro BroadTree(Seed, Dark, Light)
  #local S = seed(Seed);
  union {
    cone { -y, 0.42, y*5, 0.22 }
    #local K = 0;
    #while (K < 5)
      cone { y*(2.6 + 0.3*K), 0.16, <3*sin(K*2.4), 5.6 + 0.4*K, 3*cos(K*2.4)>*0.8, 0.05 }
      #local K = K + 1;
    #end
    texture { T_Wood }
  }
  mesh {
    LeafClump(S, <0, 6.6, 0>, 2.4, 1500, 0.22)
    #local K = 0;
    #while (K < 16)
      #local H = 2*(K + 0.5)/16 - 1;          // spread over a ball, low to high
      #local R = 2.5*sqrt(1 - H*H)*Between(S, 0.85, 1.1);
      LeafClump(S, <R*sin(K*2.4), 6.5 + 2.7*H, R*cos(K*2.4)>, Between(S, 0.95, 1.5), 620, 0.2)
      #local K = K + 1;
    #end
    LeafTexture(Dark, Light)
  }
#end
#macro Bush(Seed, Dark, Light)
  #local S = seed(Seed);
  mesh {
    #local K = 0;
    #while (K < 6)
      LeafClump(S, <Between(S, -0.9, 0.9), Between(S, 0.2, 0.8), Between(S, -0.9, 0.9)>, Between(S, 0.5, 0.8), 500, 0.10)
      #local K = K + 1;
    #end
    LeafTexture(Dark, Light)
  }
#end
// A spruce: drooping tiers of needle sprays.
#macro Spruce(Seed)
  #local S = seed(Seed);
  cone { -y, 0.30, y*11, 0.04 texture { T_Wood } }
  mesh {
    #local I = 0;
    #while (I < 7000)
      #local T = pow(rand(S), 0.75);               // 0: the top, 1: the lowest tier
      #local Tier = floor(T*19)/19 + 0.8*(T - floor(T*19)/19);
      #local Ang = Between(S, 0, 2*pi);
      #local Lobe = 0.78 + 0.22*sin(Ang*5 + floor(T*19)*2.3);
      #local R = 2.5*(0.05 + T)*Lobe*pow(Between(S, 0.15, 1), 0.5);
      #local P = <R*sin(Ang), 11.6 - 10.2*Tier - 0.42*R + Between(S, -0.15, 0.15), R*cos(Ang)>;
      #local O = <sin(Ang), -0.35, cos(Ang)>;
      #local W = <cos(Ang), Between(S, -0.3, 0.3), -sin(Ang)>;
      #local Nn = vnormalize(<sin(Ang), 0.55, cos(Ang)> + 0.35*W);
      smooth_triangle { P - W*0.11, Nn, P + W*0.11, Nn, P + O*0.42, Nn }
      #local I = I + 1;
    #end
    LeafTexture(color srgb <0.16, 0.26, 0.15>, color srgb <0.28, 0.38, 0.20>)
  }
#end

#declare C_Leaf = array[6] {
  srgb <0.24, 0.35, 0.12>, srgb <0.42, 0.51, 0.19>,
  srgb <0.29, 0.38, 0.12>, srgb <0.52, 0.55, 0.21>,
  srgb <0.21, 0.32, 0.13>, srgb <0.37, 0.47, 0.20>
}
#declare Leafy = array[3]
#declare Shrubs = array[3]
#declare I = 0;
#while (I < 3)
  #declare Leafy[I] = union { BroadTree(11 + 16*I, C_Leaf[2*I], C_Leaf[2*I + 1]) }
  #declare Shrubs[I] = object { Bush(5 + 3*I, C_Leaf[2*I], C_Leaf[2*I + 1]) }
  #declare I = I + 1;
#end
#declare Fir = union { Spruce(71) }

#macro Plant(Thing, X, Z, Size, Turn)
  object { Thing scale Size rotate y*Turn translate <X, F_Land(X, Z) - 0.1, Z> }
#end

// woods on both flanks of the hill, and behind
#declare Wood = seed(2024);
#declare I = 0;
#while (I < 64)
  #local X = Between(Wood, 36, 64)*(2*mod(I, 2) - 1);
  #local Z = Between(Wood, -34, 60);
  #local K = floor(Between(Wood, 0, 4.49));
  #local Size = Between(Wood, 0.75, 1.15);
  #local Turn = 360*rand(Wood);
  #if (K < 3)
    Plant(Leafy[K], X, Z, Size, Turn)
  #else
    Plant(Fir, X, Z, Size*1.15, Turn)
  #end
  #declare I = I + 1;
#end

// two nearer trees that frame the view
Plant(Leafy[1], -25.5, -37, 1.15, 40)
Plant(Leafy[0], 29.5, -40, 0.85, 200)

// single bushes at the foot of the walls and on the slope, clear of the path
#declare I = 0;
#while (I < 130)
  #local X = Between(Wood, -38, 36);
  #local Z = Between(Wood, -66, -14);
  #local K = floor(Between(Wood, 0, 2.99));
  #local Size = Between(Wood, 0.45, 1.25);
  #local Turn = 360*rand(Wood);
  #if (abs(X - F_PathX(Z)) > 4.5 & X*X + Z*Z > 960 & f_noise3d(X*0.11, 2, Z*0.11) > 0.5)
    Plant(Shrubs[K], X, Z, Size, Turn)
  #end
  #declare I = I + 1;
#end

// Ivy on a round wall between two angles: dense at the foot, thinning out
// upwards in shoots and patches.
#macro Ivy(Seed, Radius, A0, A1, High, Count)
  #local S = seed(Seed);
  mesh {
    #local I = 0;
    #while (I < Count)
      #local U = rand(S);
      #local Ang = radians(A0 + (A1 - A0)*U);
      #local Y = -3 + (High + 3)*pow(rand(S), 1.2);
      #local Edge = High*sqrt(sin(pi*U))*(0.30 + 1.3*f_noise3d(Ang*2.2, 2.7, Seed));
      #local Patch = f_noise3d(Ang*Radius*0.9, Y*0.55, Seed + 4) + 0.6*f_noise3d(Ang*Radius*3, Y*2, Seed);
      #if (Patch > 0.50 + 0.50*max(0, Y/Edge))
        #local R = Radius*(1.03 + 0.35*max(0, 3.2 - Y)/12.2) + Between(S, -0.08, 0.12);
        #local P = <R*sin(Ang), Y, -R*cos(Ang)>;
        #local O = <sin(Ang), 0, -cos(Ang)>;
        #local A = vnormalize(<rand(S) - 0.5, rand(S) - 0.5, rand(S) - 0.5>)*0.14;
        #local B = vnormalize(vcross(A, O + <0.01, 0.3, 0.02>))*0.17;
        #local Nn = vnormalize(O + y*0.4 + A*3);
        smooth_triangle { P - A, Nn, P + A, Nn, P + B, Nn }
      #end
      #local I = I + 1;
    #end
    LeafTexture(color srgb <0.22, 0.31, 0.12>, color srgb <0.38, 0.45, 0.19>)
  }
#end
union {
  object { Ivy(31, 5.0, -85, 30, 12.5, 16000) translate <HalfW, 0, South> }
  object { Ivy(12, 3.5, 0, 95, 7, 7000) translate <5.6, 0, South - 2.6> }
  object { Ivy(57, 4.6, -60, 50, 8, 9000) translate <-HalfW, 0, South> }
  rotate y*CastleTurn
}

// Rocks: a ball whose skin is pushed in and out by noise, faceted.
#macro RockSkin(A, B, Shift)
  #local P = <cos(A)*cos(B), sin(B), sin(A)*cos(B)>;
  (P*(0.55 + 0.75*f_noise3d(P.x*1.3 + Shift, P.y*1.3, P.z*1.3) + 0.22*f_noise3d(P.x*4 + Shift, P.y*4, P.z*4)))
#end
#macro Rock(Shift)
  mesh {
    #local NA = 18; #local NB = 10;
    #local I = 0;
    #while (I < NA)
      #local J = 0;
      #while (J < NB)
        #local A0 = 2*pi*I/NA; #local A1 = 2*pi*(mod(I + 1, NA))/NA;
        #local B0 = pi*(J/NB - 0.5); #local B1 = pi*((J + 1)/NB - 0.5);
        #local P1 = RockSkin(A0, B0, Shift); #local P2 = RockSkin(A1, B0, Shift);
        #local P3 = RockSkin(A0, B1, Shift); #local P4 = RockSkin(A1, B1, Shift);
        #if (J > 0) triangle { P1, P2, P3 } #end
        #if (J < NB - 1) triangle { P2, P4, P3 } #end
        #local J = J + 1;
      #end
      #local I = I + 1;
    #end
    texture {
      pigment {
        granite scale 1.4
        color_map {
          [0.2 color srgb <0.42, 0.39, 0.35>]
          [0.5 color srgb <0.58, 0.54, 0.48>]
          [0.8 color srgb <0.70, 0.66, 0.60>]
        }
      }
      normal { granite 0.5 scale 0.7 }
      finish { ambient 0.02 diffuse 0.8 }
    }
  }
#end
#declare Rocks = array[3]
#declare Rocks[0] = object { Rock(3.7) }
#declare Rocks[1] = object { Rock(11.2) }
#declare Rocks[2] = object { Rock(20.9) }

#declare Stony = seed(77);
#declare I = 0;
#while (I < 150)
  #local X = Between(Stony, -34, 34);
  #local Z = Between(Stony, -66, -20);
  #local K = floor(Between(Stony, 0, 2.99));
  #local Size = 0.25 + 1.5*pow(rand(Stony), 4);
  #local Turn = 360*rand(Stony);
  #if (abs(X - F_PathX(Z)) > 2.6 & X*X + Z*Z > 850 & f_noise3d(X*0.09 + 5, 6, Z*0.09) > 0.52)
    object { Rocks[K] scale Size*<1.25, 0.8, 1> rotate y*Turn translate <X, F_Land(X, Z), Z> }
  #end
  #declare I = I + 1;
#end

// A tuft of grass: bent blades, green to dry.  Their normals point almost
// straight up, so that the meadow is lit like the ground below it.
#macro Tuft(Seed, Count)
  #local S = seed(Seed);
  mesh {
    #local I = 0;
    #while (I < Count)
      #local Ang = Between(S, 0, 2*pi);
      #local Off = 0.9*sqrt(rand(S));
      #local Dir = Between(S, 0, 2*pi);
      #local P = <Off*sin(Ang), -0.05, Off*cos(Ang)>;
      #local H = Between(S, 0.06, 0.22)*(1.15 - 0.5*Off);
      #local W = <cos(Dir), 0, sin(Dir)>*0.028;
      #local Q = P + <0.35*H*sin(Dir), H, 0.35*H*cos(Dir)>;
      #local Nn = vnormalize(<0.2*sin(Dir), 1, 0.2*cos(Dir)>);
      smooth_triangle { P - W, Nn, P + W, Nn, Q, Nn }
      #local I = I + 1;
    #end
    texture {
      pigment {
        bozo scale 0.25
        color_map {
          [0.2 color srgb <0.30, 0.42, 0.14>]
          [0.6 color srgb <0.45, 0.53, 0.20>]
          [0.9 color srgb <0.66, 0.63, 0.34>]
        }
      }
      finish { ambient 0.03 diffuse 0.85 }
    }
  }
#end
#declare Tufts = array[2]
#declare Tufts[0] = object { Tuft(3, 240) }
#declare Tufts[1] = object { Tuft(9, 150) }

#declare Meadow = seed(5);
#declare I = 0;
#while (I < 9000)
  #local D = 40 + 52*rand(Meadow);
  #local X = Eye.x + Between(Meadow, -1, 1)*0.45*D;
  #local Z = Eye.z + D;
  #local K = floor(Between(Meadow, 0, 1.99));
  #local Size = Between(Meadow, 0.7, 1.5);
  #local Turn = 360*rand(Meadow);
  #if (F_Path(X, Z) < 0.15 & f_noise3d(X*0.3, 9, Z*0.3) > 0.42)
    object { Tufts[K] scale Size rotate y*Turn translate <X, F_Land(X, Z), Z> }
  #end
  #declare I = I + 1;
#end

// A few jackdaws about the towers: two bent wings each.
#declare Flock = seed(19);
#declare I = 0;
#while (I < 7)
  #local P = <Between(Flock, -27, -11), Between(Flock, 24, 36), Between(Flock, -5, 10)>;
  #local Lift = Between(Flock, 0.05, 0.45);
  mesh {
    #local Side = -1;
    #while (Side < 2)
      triangle { <0, 0, -0.16>, <0, 0, 0.20>, <Side*0.45, Lift, 0.05> }
      triangle { <Side*0.15, Lift*0.33, 0.15>, <Side*0.45, Lift, -0.12>, <Side*1.0, Lift*0.8, 0.25> }
      #local Side = Side + 2;
    #end
    triangle { <-0.09, 0, 0>, <0.09, 0, 0>, <0, -0.04, 0.55> }
    triangle { <-0.09, 0, 0>, <0.09, 0, 0>, <0, 0.04, -0.42> }
    pigment { color srgb <0.10, 0.10, 0.12> }
    finish { ambient 0.02 diffuse 0.6 }
    scale 0.8
    rotate <-25, Between(Flock, -70, 70), Between(Flock, -20, 20)>
    translate P
  }
  #declare I = I + 1;
#end
